"""The Flask door: the WSGI door around ``app.wsgi_app``, plus Flask's names for things."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.util.http import get_excluded_urls

from spantap.guard import report
from spantap.inbound.wsgi import SESSION, Environ, WSGIDoor
from spantap.model import Observation
from spantap.otel.tap import Tap


def instrument(app: Any, tap: Callable[[], Tap]) -> None:
    """Put a door around a Flask app, also after its first request; twice is harmless."""
    if isinstance(app.wsgi_app, WSGIDoor):
        return
    from flask import got_request_exception

    app.wsgi_app = WSGIDoor(app.wsgi_app, tap, get_excluded_urls("FLASK"), _describe)
    got_request_exception.connect(_failed, app)


def uninstrument(app: Any) -> None:
    """Undo `instrument`, unless somebody has wrapped the app since."""
    from flask import got_request_exception

    got_request_exception.disconnect(_failed, app)
    if isinstance(app.wsgi_app, WSGIDoor):
        app.wsgi_app = app.wsgi_app.app


def _describe(seen: Observation, environ: Environ) -> None:
    # Werkzeug leaves the request in the environ; its rule is set by the time routing is done.
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    if rule is not None and seen.route is None:
        seen.route = rule.rule
        seen.endpoint = rule.endpoint


def _failed(sender: Any, exception: BaseException, **_: Any) -> None:
    """Flask answers an unhandled exception with a 500 and does not let it out: note it here."""
    try:
        from flask import request

        session = request.environ.get(SESSION)
        if session is not None:
            session.failed(exception)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("noting an exception", error)
