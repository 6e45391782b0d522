"""The Starlette door, which is FastAPI's too.

The ASGI door goes around the app's middleware stack, whenever that is built: outside of all
of the app, so that it sees what the client sees, error pages included, and inside the SERVER
span of contrib's middleware when that has put itself outermost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from opentelemetry.util.http import get_excluded_urls

from spantap.guard import report
from spantap.inbound.asgi import ASGIDoor, Receive, Scope, Send
from spantap.inbound.placement import replace_call, restore_call
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
        self._excluded = get_excluded_urls(framework)
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
        self._outer = stack if _is_contrib(stack) else None
        self._door = ASGIDoor(stack.app if self._outer is not None else stack, self._tap, self._excluded)
        if self._outer is not None:
            stack.app = self._door
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
        replace_call(type(app), _instrumented)


def uninstrument(app: Any) -> None:
    """Undo `instrument`."""
    placement = app.__dict__.pop(_DOOR, None)
    if placement is not None:
        placement.remove(app)
        restore_call(type(app))


def _instrumented(original: Callable[..., Any]) -> Callable[..., Any]:
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: N807
        placement = self.__dict__.get(_DOOR)
        if placement is not None:
            placement.prepare(self, scope["type"])
        await original(self, scope, receive, send)

    return __call__


def _is_contrib(stack: Any) -> bool:
    kind = type(stack)
    return (
        kind.__name__ == "OpenTelemetryMiddleware" and kind.__module__ == "opentelemetry.instrumentation.asgi"
    )
