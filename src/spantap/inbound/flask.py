"""The Flask door: the WSGI door around ``app.wsgi_app``, plus the exceptions Flask keeps to itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from spantap.guard import report
from spantap.inbound.excluded import excluded_urls
from spantap.inbound.placement import replace_call
from spantap.inbound.route import describe_environ
from spantap.inbound.taken_out import taken_out
from spantap.inbound.wsgi import WSGIDoor
from spantap.otel.session import SESSION
from spantap.otel.tap import Tap


def instrument(app: Any, tap: Callable[[], Tap]) -> None:
    """Put a door around a Flask app, also after its first request; twice is harmless."""
    if isinstance(app.wsgi_app, WSGIDoor):
        return
    from flask import got_request_exception

    app.wsgi_app = WSGIDoor(app.wsgi_app, tap, excluded_urls("FLASK"))
    got_request_exception.connect(_failed, app)
    key = tap().data_key
    if key is not None:
        app.make_response = functools.partial(_make_response, app.make_response, key)


def _make_response(original: Callable[[Any], Any], key: str, answer: Any) -> Any:
    """What a view returned becomes a response, without our key in it."""
    try:
        from flask import request

        if isinstance(answer, tuple) and answer:
            answer = (taken_out(answer[0], request.environ, key), *answer[1:])
        else:
            answer = taken_out(answer, request.environ, key)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("taking facts out of an answer", error)
    return original(answer)


def instrument_everywhere(cls: type, tap: Callable[[], Tap] | None) -> None:
    """Put a door around every Flask app, when its first request comes; None: no more."""
    global _everywhere  # one capture per process
    _everywhere = tap
    replace_call(cls, _instrumented)


_everywhere: Callable[[], Tap] | None = None


def _instrumented(original: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(self: Any, environ: Any, start_response: Any) -> Any:  # noqa: N807
        if _everywhere is not None and SESSION not in environ:
            try:
                instrument(self, _everywhere)
            except Exception as error:  # noqa: BLE001 - our bug must not reach the app
                report("instrumenting a Flask app", error)
        return original(self, environ, start_response)

    return __call__


def uninstrument(app: Any) -> None:
    """Undo `instrument`, unless somebody has wrapped the app since."""
    from flask import got_request_exception

    got_request_exception.disconnect(_failed, app)
    made = app.__dict__.get("make_response")
    if isinstance(made, functools.partial) and made.func is _make_response:
        del app.make_response
    if isinstance(app.wsgi_app, WSGIDoor):
        app.wsgi_app = app.wsgi_app.app


def _failed(sender: Any, exception: BaseException, **_: Any) -> None:
    """Flask answers an unhandled exception with a 500 and does not let it out: note it here."""
    try:
        from flask import request

        session = request.environ.get(SESSION)
        if session is not None:
            session.failed(exception)
            # Now: handed on to the server, it comes to the door when Flask has let go of its request.
            describe_environ(session.seen, request.environ)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("noting an exception", error)
