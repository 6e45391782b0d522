"""Where servers take an app in: any ASGI or WSGI callable is captured from here on.

Frameworks with a door of their own are left to it; this is for all other callables. Each
server is looked at when the app imports it, never before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import wrapt

from spantap.guard import report

SwitchOn = Callable[[Any], Any]

_switch_on: SwitchOn | None = None


def instrument(switch_on: SwitchOn) -> None:
    """Capture whatever the servers of this process are given to serve.

    Args:
        switch_on: puts a door around an app and returns what is to be served.
    """
    global _switch_on  # one capture per process
    first = _switch_on is None and not _hooked
    _switch_on = switch_on
    if first:
        for module, patch in _SERVERS.items():
            _hooked.append(module)
            wrapt.register_post_import_hook(functools.partial(_patched, patch), module)


def uninstrument() -> None:
    """Leave the servers as they were; apps they have taken in stay captured."""
    global _switch_on
    _switch_on = None


_hooked: list[str] = []


def _patched(patch: Callable[[Any], None], module: Any) -> None:
    try:
        patch(module)
    except Exception as error:  # noqa: BLE001 - a server that is built differently serves uncaptured
        report(f"instrumenting {module.__name__}", error)


def _tapped(app: Any) -> Any:
    """The app with a door around it; as it is when there is none to be had."""
    if _switch_on is None:
        return app
    try:
        return _switch_on(app)
    except Exception as error:  # noqa: BLE001 - our bug must not keep the app from being served
        report("instrumenting an app", error)
        return app


def _around(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(make(original)))


def _first_argument(owner: Any, name: str) -> None:
    """The app is the first argument after self, or the keyword `app` or `application`."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            if args:
                args = (_tapped(args[0]), *args[1:])
            for keyword in ("app", "application"):
                if keyword in kwargs:
                    kwargs[keyword] = _tapped(kwargs[keyword])
            original(self, *args, **kwargs)

        return __init__

    _around(owner, name, make)


def _uvicorn(module: Any) -> None:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def load(self: Any) -> None:
            original(self)
            # What uvicorn puts around the app (proxy headers, WSGI adapters) is outside of it.
            outer, inner = None, self.loaded_app
            while type(inner).__module__.startswith("uvicorn.") and hasattr(inner, "app"):
                outer, inner = inner, inner.app
            tapped = _tapped(inner)
            if outer is None:
                self.loaded_app = tapped
            elif self.interface != "wsgi":
                outer.app = tapped
            elif tapped is not inner:  # else its framework has a door of its own, inside of the adapter
                self.loaded_app = _tapped(self.loaded_app)

        return load

    _around(module.Config, "load", make)


def _gunicorn(module: Any) -> None:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def wsgi(self: Any) -> Any:
            loaded = self.callable is not None
            app = original(self)
            if not loaded:
                self.callable = app = _tapped(app)
            return app

        return wsgi

    _around(module.BaseApplication, "wsgi", make)


def _hypercorn(module: Any) -> None:
    _first_argument(module.ASGIWrapper, "__init__")
    _first_argument(module.WSGIWrapper, "__init__")


def _waitress(module: Any) -> None:
    _first_argument(module.BaseWSGIServer, "__init__")


def _daphne(module: Any) -> None:
    _first_argument(module.Server, "__init__")


def _granian(module: Any) -> None:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def load_target(*args: Any, **kwargs: Any) -> Any:
            return _tapped(original(*args, **kwargs))

        return load_target

    # Its workers find the function by this name; `wraps` keeps name and module.
    _around(module, "load_target", make)


_SERVERS: Final[dict[str, Callable[[Any], None]]] = {
    "uvicorn.config": _uvicorn,
    "gunicorn.app.base": _gunicorn,
    "hypercorn.app_wrappers": _hypercorn,
    "waitress.server": _waitress,
    "daphne.server": _daphne,
    "granian._internal": _granian,
}
