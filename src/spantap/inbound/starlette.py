"""The Starlette door, which is FastAPI's too.

The ASGI door goes around the app's middleware stack, whenever that is built: outside of all
of the app, so that it sees what the client sees, error pages included, and inside the SERVER
span of contrib's middleware when that has put itself outermost.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from spantap.guard import report
from spantap.inbound.asgi import ASGIDoor, Receive, Scope, Send
from spantap.inbound.excluded import excluded_urls
from spantap.inbound.placement import replace_call, restore_call
from spantap.otel.session import SESSION
from spantap.otel.tap import Tap

_DOOR: Final = "_spantap"  # on the app: how it is instrumented


class Placement:
    """How one app is instrumented, and where its door stands.

    Attributes:
        first_request: called once, with the app, when the first HTTP request comes.
    """

    def __init__(
        self, tap: Callable[[], Tap], framework: str, first_request: Callable[[Any, Tap], None] | None
    ) -> None:
        self._tap = tap
        self._excluded = excluded_urls(framework)
        self._first_request = first_request
        self._stack: Any = None
        self._outer: Any = None
        self._door: ASGIDoor | None = None

    def prepare(self, app: Any, kind: str) -> None:
        """Before the app handles a connection: the stack is built and the door in its place."""
        if app.middleware_stack is None:
            app.middleware_stack = app.build_middleware_stack()
        if app.middleware_stack is not self._stack:
            self._place(app)
        if kind == "http" and self._first_request is not None:
            first, self._first_request = self._first_request, None
            try:
                first(app, self._tap())
            except Exception as error:  # noqa: BLE001 - our bug must not reach the app
                report("preparing an app", error)

    def _place(self, app: Any) -> None:
        stack = app.middleware_stack
        self._outer = outer = _contrib(stack)
        self._door = ASGIDoor(stack if outer is None else outer.app, self._tap, self._excluded)
        if outer is not None:
            outer.app = self._door
        else:
            app.middleware_stack = self._door
        self._stack = app.middleware_stack

    def remove(self, app: Any) -> None:
        """Take the door out again."""
        if self._door is None or app.middleware_stack is not self._stack:
            return
        if self._outer is not None:
            self._outer.app = self._door.app
        else:
            app.middleware_stack = self._door.app


def instrument(
    app: Any,
    tap: Callable[[], Tap],
    *,
    framework: str = "STARLETTE",
    first_request: Callable[[Any, Tap], None] | None = None,
) -> None:
    """Put a door around a Starlette app; twice is harmless.

    Args:
        app: a Starlette object, before or after its stack is built.
        tap: gives the tap when the first request comes.
        framework: whose ``OTEL_PYTHON_<framework>_EXCLUDED_URLS`` count.
        first_request: called once with the app and the tap, before the first HTTP request.
    """
    if _DOOR not in app.__dict__:
        app.__dict__[_DOOR] = Placement(tap, framework, first_request)
        replace_call(_builder(type(app)), _instrumented)


def instrument_everywhere(
    cls: type,
    tap: Callable[[], Tap] | None,
    *,
    framework: str = "STARLETTE",
    first_request: Callable[[Any, Tap], None] | None = None,
) -> None:
    """Put a door around every app of a class, when its first connection comes; None: no more.

    Args:
        cls: Starlette, or a class that has a ``__call__`` of its own.
        tap: gives the tap when the first request comes.
        framework, first_request: as for `instrument`.
    """
    if tap is None:
        _everywhere.pop(cls, None)
        return
    _everywhere[cls] = functools.partial(Placement, tap, framework, first_request)
    replace_call(_builder(cls), _instrumented)


_everywhere: dict[type, Callable[[], Placement]] = {}


def _placement_of(app: Any, scope: Scope) -> Placement | None:
    placement: Placement | None = app.__dict__.get(_DOOR)
    if placement is None and _everywhere and SESSION not in scope:
        # The most special class counts: FastAPI's, not Starlette's.
        make = next((_everywhere[cls] for cls in type(app).__mro__ if cls in _everywhere), None)
        if make is not None:
            placement = app.__dict__[_DOOR] = make()
    return placement


def uninstrument(app: Any) -> None:
    """Undo `instrument`."""
    placement = app.__dict__.pop(_DOOR, None)
    if placement is not None:
        placement.remove(app)
        if not _everywhere:
            restore_call(_builder(type(app)))


def _builder(cls: type) -> type:
    """The class whose ``__call__`` builds the middleware stack: Starlette itself.

    A subclass may have one of its own that adds middleware before it comes to that.
    """
    return next(each for each in reversed(cls.__mro__) if each is not object and "__call__" in each.__dict__)


def _instrumented(original: Callable[..., Any]) -> Callable[..., Any]:
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: N807
        placement = _placement_of(self, scope)
        if placement is not None:
            placement.prepare(self, scope["type"])
        await original(self, scope, receive, send)

    return __call__


def _contrib(stack: Any) -> Any | None:
    """Contrib's middleware, when all of the app, error pages included, is inside of it.

    Its SERVER span then carries the exchange, and its hooks get the span they expect. For FastAPI
    contrib puts an error page around itself and one inside; for Starlette only around itself.
    """
    if _is_contrib(stack):
        return stack
    inner = getattr(stack, "app", None)
    if _is_error_page(stack) and _is_contrib(inner) and _is_error_page(getattr(inner, "app", None)):
        return inner
    return None


def _is_contrib(middleware: Any) -> bool:
    return type(middleware).__module__ == "opentelemetry.instrumentation.asgi"


def _is_error_page(middleware: Any) -> bool:
    return type(middleware).__name__ == "ServerErrorMiddleware"
