"""The Django door: the WSGI and ASGI doors around Django's handlers, sync and async alike.

Django's request objects are looked at only for what the app has evaluated already.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception

from spantap.guard import report
from spantap.inbound.asgi import ASGIDoor
from spantap.inbound.excluded import excluded_urls
from spantap.inbound.placement import replace_call, restore_call
from spantap.inbound.route import remember_django
from spantap.inbound.taken_out import BeforeRendering
from spantap.inbound.wsgi import WSGIDoor
from spantap.otel.session import SESSION
from spantap.otel.tap import Tap

_DOOR: Final = "_spantap"  # on a handler: its door

_everywhere: Callable[[], Tap] | None = None


def instrument(handler: Any, tap: Callable[[], Tap]) -> None:
    """Put a door around one of Django's handlers; twice is harmless.

    Args:
        handler: what ``get_wsgi_application()`` or ``get_asgi_application()`` returned.
        tap: gives the tap when the first request comes.
    """
    if _DOOR not in handler.__dict__:
        _hook_calls()
        _place(handler, tap)


def instrument_everywhere(tap: Callable[[], Tap] | None) -> None:
    """Put a door around every handler of the process, when its first request comes; None: no more."""
    global _everywhere  # Django has one settings module per process, too
    _everywhere = tap
    _hook_calls()


def uninstrument(handler: Any) -> None:
    """Undo `instrument`."""
    if handler.__dict__.pop(_DOOR, None) is not None:
        handler.__dict__.pop("request_class", None)
        last = handler._template_response_middleware
        last[:] = [each for each in last if not isinstance(each.__self__, BeforeRendering)]
    if _everywhere is None:
        restore_call(type(handler))


def _hook_calls() -> None:
    replace_call(WSGIHandler, _instrumented_wsgi)
    replace_call(ASGIHandler, _instrumented_asgi)
    got_request_exception.connect(_failed, dispatch_uid="spantap")


def _place(handler: Any, tap: Callable[[], Tap]) -> None:
    excluded = excluded_urls("DJANGO")
    kind = type(handler)
    inner = functools.partial(
        _original[ASGIHandler if isinstance(handler, ASGIHandler) else WSGIHandler], handler
    )
    if isinstance(handler, ASGIHandler):
        handler.__dict__[_DOOR] = ASGIDoor(inner, tap, excluded)
    else:
        handler.__dict__[_DOOR] = WSGIDoor(inner, tap, excluded)
    request_class = kind.request_class

    @functools.wraps(request_class, updated=())
    def remembered(*args: Any, **kwargs: Any) -> Any:
        request = request_class(*args, **kwargs)
        remember_django(request)
        return request

    handler.__dict__["request_class"] = remembered
    if tap().data_key is not None:
        taker = BeforeRendering(tap)
        asgi = isinstance(handler, ASGIHandler)
        take = taker.aprocess_template_response if asgi else taker.process_template_response
        handler._template_response_middleware.append(take)  # the last to see a response, and the first to go


_original: dict[type, Callable[..., Any]] = {}


def _door_of(handler: Any) -> Any:
    door = handler.__dict__.get(_DOOR)
    if door is None and _everywhere is not None:
        try:
            _place(handler, _everywhere)
            door = handler.__dict__[_DOOR]
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("instrumenting a Django handler", error)
    return door


def _instrumented_wsgi(original: Callable[..., Any]) -> Callable[..., Any]:
    _original[WSGIHandler] = original

    def __call__(self: Any, environ: Any, start_response: Any) -> Any:  # noqa: N807
        door = _door_of(self)
        return (original(self, environ, start_response)) if door is None else door(environ, start_response)

    return __call__


def _instrumented_asgi(original: Callable[..., Any]) -> Callable[..., Any]:
    _original[ASGIHandler] = original

    async def __call__(self: Any, scope: Any, receive: Any, send: Any) -> None:  # noqa: N807
        door = _door_of(self)
        if door is None:
            await original(self, scope, receive, send)
        else:
            await door(scope, receive, send)

    return __call__


def _failed(sender: Any, request: Any = None, **_: Any) -> None:
    """Django answers an unhandled exception with a 500 and does not let it out: note it here."""
    try:
        import sys

        place = getattr(request, "environ", None) or getattr(request, "scope", None) or {}
        session, error = place.get(SESSION), sys.exc_info()[1]
        if session is not None and error is not None:
            session.failed(error)
    except Exception as ours:  # noqa: BLE001 - our bug must not reach the app
        report("noting an exception", ours)
