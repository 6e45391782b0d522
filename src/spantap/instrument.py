"""Framework -> door: which one an app object needs, and switching it on and off."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import wrapt

from spantap.guard import logger, report
from spantap.inbound import servers
from spantap.inbound.asgi import ASGIDoor
from spantap.inbound.excluded import excluded_urls
from spantap.inbound.wsgi import WSGIDoor
from spantap.model import ConfigurationError, Problem
from spantap.otel.tap import Tap

# Name -> the class of its app objects, most special first. Checked without importing the framework.
_APPS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "fastapi": (("fastapi.applications", "FastAPI"),),
    "starlette": (("starlette.applications", "Starlette"),),
    "flask": (("flask.app", "Flask"),),
    "django": (
        ("django.core.handlers.wsgi", "WSGIHandler"),
        ("django.core.handlers.asgi", "ASGIHandler"),
    ),
}
_met: dict[str, None] = {}
FRAMEWORKS: Final = (*_APPS, "asgi", "wsgi")


def detect(app: Any) -> str | None:
    """The name of the framework an app object belongs to; None when it cannot be told."""
    if isinstance(app, ASGIDoor):
        return "asgi"
    if isinstance(app, WSGIDoor):
        return "wsgi"
    for framework, classes in _APPS.items():
        for module, name in classes:
            kind = getattr(sys.modules.get(module), name, None)
            if kind is not None and isinstance(app, kind):
                return framework
    return _protocol(app)


def _protocol(app: Any) -> str | None:
    """Whether a bare callable speaks ASGI or WSGI, by its signature."""
    if not callable(app):
        return None
    call = app if inspect.isfunction(app) or inspect.ismethod(app) else type(app).__call__
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call):
        return "asgi"
    try:
        required = [
            each
            for each in inspect.signature(app).parameters.values()
            if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):
        return None
    return {2: "wsgi", 3: "asgi"}.get(len(required))


def switch_on(app: Any, framework: str | None, tap: Callable[[], Tap]) -> Any:
    """Put a door around an app.

    Returns:
        The same object for frameworks whose objects can be opened, the wrapped callable for
        bare ones.

    Raises:
        ConfigurationError: the framework is unknown, cannot be told, or is not installed.
    """
    name = _checked(app, framework)
    _note(name)
    if name == "asgi":
        return app if isinstance(app, ASGIDoor) else ASGIDoor(app, tap, excluded_urls("ASGI"))
    if name == "wsgi":
        return app if isinstance(app, WSGIDoor) else WSGIDoor(app, tap, excluded_urls("WSGI"))
    importlib.import_module(f"spantap.inbound.{name}").instrument(app, tap)
    return app


def met() -> tuple[str, ...]:
    """The frameworks and kinds of callables that were instrumented in this process, in order."""
    return tuple(_met)


def _note(name: str) -> None:
    if name not in _met:
        logger.debug("instrumenting %s", name)
        _met[name] = None


def switch_off(app: Any) -> Any:
    """Take the door away again; returns the app without it. An app that has none stays as it is."""
    if isinstance(app, (ASGIDoor, WSGIDoor)):
        return app.app
    name = detect(app)
    if name in _APPS:
        importlib.import_module(f"spantap.inbound.{name}").uninstrument(app)
    return app


def everywhere(tap: Callable[[], Tap]) -> None:
    """Capture every app of the process, whichever framework or server takes it in from now on.

    Nothing is imported: each framework and server is met when the app imports it.
    """
    global _everywhere, _hooked  # one capture per process
    _everywhere = tap
    servers.instrument(_serve)
    if _hooked:
        for name, module in _APP_MODULES:
            if module in sys.modules:
                _meet(name, sys.modules[module])
    else:
        _hooked = True
        for name, module in _APP_MODULES:
            wrapt.register_post_import_hook(functools.partial(_meet, name), module)


def nowhere() -> None:
    """Capture no further apps; those met already stay captured until `switch_off`."""
    global _everywhere
    _everywhere = None
    servers.uninstrument()
    for name, module in _APP_MODULES:
        if module in sys.modules:
            _meet(name, sys.modules[module])


_everywhere: Callable[[], Tap] | None = None
_hooked = False
_meeting: set[str] = set()
_APP_MODULES: Final = (
    ("fastapi", "fastapi.applications"),
    ("starlette", "starlette.applications"),
    ("flask", "flask.app"),
    ("django", "django.core.handlers.wsgi"),
    ("django", "django.core.handlers.asgi"),
)


def _meet(name: str, module: Any) -> None:
    if name in _meeting:
        return  # Django's door is being imported, and imports the other handler
    _meeting.add(name)
    try:
        door = importlib.import_module(f"spantap.inbound.{name}")
        if name == "django":
            door.instrument_everywhere(_everywhere)
        else:
            door.instrument_everywhere(getattr(module, _APPS[name][0][1]), _everywhere)
        _note(name)
    except Exception as error:  # noqa: BLE001 - a framework we cannot instrument is left alone
        report(f"instrumenting {name}", error)
    finally:
        _meeting.discard(name)


def _serve(app: Any) -> Any:
    """What a server is to serve instead of an app it was given."""
    if _everywhere is None or detect(app) in _APPS:
        return app  # frameworks with a door of their own are met there
    return switch_on(app, None, _everywhere)


def _checked(app: Any, framework: str | None) -> str:
    allowed = ", ".join(FRAMEWORKS)
    if framework is None:
        found = detect(app)
        if found is None:
            raise ConfigurationError(
                [
                    Problem(
                        "app",
                        f"{type(app).__name__} object",
                        f"cannot tell its framework; give framework= one of {allowed}",
                    )
                ]
            )
        return found
    name = framework.lower()
    if name not in FRAMEWORKS:
        raise ConfigurationError([Problem("framework", repr(framework), f"use one of {allowed}")])
    if name not in _APPS:
        if not callable(app):
            raise ConfigurationError(
                [Problem("app", repr(app), f"is not a callable, so it is no {name.upper()} app")]
            )
        return name
    if importlib.util.find_spec(name) is None:
        raise ConfigurationError(
            [Problem("framework", repr(framework), f"{name} is not installed: pip install 'spantap[{name}]'")]
        )
    if detect(app) != name and not (name == "starlette" and detect(app) == "fastapi"):
        raise ConfigurationError(
            [Problem("framework", repr(framework), f"the app is a {type(app).__name__} object, not {name}'s")]
        )
    return name
