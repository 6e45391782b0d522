"""The ways spantap and OpenTelemetry's own instrumentations meet around an app: the modes.

=================== =====================================================================
bare                no spantap, no OpenTelemetry
plain               ``instrument_app``, nothing else: the tracer provider is spantap's
foreign             the app has a tracer provider of its own, set globally
contrib_alone       the app's provider and OpenTelemetry's instrumentation; no spantap
contrib_before      the same, then ``instrument_app`` (bare callables: contrib outside of us)
contrib_after       the other way round (bare callables: contrib inside of us)
contrib_plain       contrib first, but no provider: spantap's is the only one
native              the framework's own telemetry with the app's provider
middleware          placed by hand: ``ASGIMiddleware``, ``WSGIMiddleware``, ``DjangoMiddleware``
contrib_middleware  Django's contrib middleware and ours in one list
wrapped             ``ASGIMiddleware`` around a framework's app object
doubled             ``instrument_app``, and placed by hand around that
switched            nothing at first; ``/-/instrument`` and ``/-/uninstrument`` do it later
=================== =====================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from contracts.inbound.app_spans import own_provider

_COMMON: Final = ("bare", "plain", "foreign", "contrib_alone", "contrib_before", "contrib_plain")
MODES: Final = {
    "fastapi": (*_COMMON, "contrib_after", "native", "middleware", "wrapped", "doubled", "switched"),
    "starlette": (*_COMMON, "contrib_after", "native", "middleware", "doubled", "switched"),
    "flask": (*_COMMON, "contrib_after", "middleware", "doubled", "switched"),
    "django-wsgi": (*_COMMON, "contrib_middleware", "middleware", "switched"),
    "django-asgi": (*_COMMON, "contrib_middleware", "middleware", "switched"),
    "asgi": (*_COMMON, "contrib_after", "middleware", "doubled", "switched"),
    "wsgi": (*_COMMON, "contrib_after", "middleware", "doubled", "switched"),
}
ASGI_DOORS: Final = ("fastapi", "starlette", "django-asgi", "asgi")
# Where the provider is the app's, its exporter gets the spans; else the OTLP receiver.
OWN_PROVIDER: Final = (
    "foreign",
    "contrib_alone",
    "contrib_before",
    "contrib_after",
    "native",
    "contrib_middleware",
)
WITHOUT_US: Final = ("bare", "contrib_alone")


def baseline_of(mode: str) -> str:
    """The mode that differs only in that spantap is missing."""
    return "contrib_alone" if mode.startswith("contrib") else "bare"


@dataclass
class Served:
    """An app, and how to change it while it serves."""

    app: Any

    def instrument(self) -> None:
        import spantap

        self.app = spantap.instrument_app(self.app)

    def uninstrument(self) -> None:
        import spantap

        self.app = spantap.uninstrument_app(self.app)


def assemble(door: str, mode: str, spans: Path) -> Served:
    """The app of a door as a mode wants it."""
    provider = own_provider(spans) if mode in OWN_PROVIDER else None
    if provider is not None and mode != "native":
        trace.set_tracer_provider(provider)
    if door.startswith("django"):
        app = _django(mode, asgi=door == "django-asgi")
    else:
        app = _BUILDERS[door](mode, provider)
    served = Served(app)
    if mode in ("plain", "foreign", "contrib_plain", "doubled"):
        served.instrument()
    if mode == "doubled":
        _wrap(served, door)
    return served


def _wrap(served: Served, door: str) -> None:
    import spantap

    if door == "flask":
        served.app.wsgi_app = spantap.WSGIMiddleware(served.app.wsgi_app)
    else:
        served.app = (spantap.ASGIMiddleware if door in ASGI_DOORS else spantap.WSGIMiddleware)(served.app)


def _fastapi(mode: str, provider: TracerProvider | None) -> Any:
    import spantap
    from contracts.inbound.apps import with_fastapi

    if mode == "native":
        app = with_fastapi.make({"tracer_provider": provider})
        return spantap.instrument_app(app, tracer_provider=provider)
    app = with_fastapi.make()
    if mode == "middleware":
        app.add_middleware(spantap.ASGIMiddleware)
    if mode == "wrapped":
        return spantap.ASGIMiddleware(app)

    def contrib(app: Any) -> Any:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        FastAPIInstrumentor.instrument_app(app)
        return app

    return _with_contrib(app, mode, contrib)


def _starlette(mode: str, provider: TracerProvider | None) -> Any:
    from starlette.middleware import Middleware

    import spantap
    from contracts.inbound.apps import with_starlette

    if mode == "native":
        from starlette.middleware.opentelemetry import OpenTelemetryMiddleware

        app = with_starlette.make([Middleware(OpenTelemetryMiddleware, tracer_provider=provider)])
        return spantap.instrument_app(app, tracer_provider=provider)
    ours: Any = spantap.ASGIMiddleware
    app = with_starlette.make([Middleware(ours)] if mode == "middleware" else [])

    def contrib(app: Any) -> Any:
        from opentelemetry.instrumentation.starlette import StarletteInstrumentor

        StarletteInstrumentor().instrument_app(app)
        return app

    return _with_contrib(app, mode, contrib)


def _flask(mode: str, provider: TracerProvider | None) -> Any:
    import spantap
    from contracts.inbound.apps import with_flask

    app = with_flask.make()
    if mode == "middleware":
        app.wsgi_app = spantap.WSGIMiddleware(app.wsgi_app)

    def contrib(app: Any) -> Any:
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        instrumentor: Any = FlaskInstrumentor()
        instrumentor.instrument_app(app)
        return app

    return _with_contrib(app, mode, contrib)


def _django(mode: str, *, asgi: bool) -> Any:
    import spantap
    from contracts.inbound.apps import with_django

    if mode in ("middleware", "contrib_middleware"):
        with_django.configure(
            asgi=asgi,
            middleware=["spantap.DjangoMiddleware"],
            spantap={"body_max_bytes": 16384},
        )
    else:
        with_django.configure(asgi=asgi)
    if mode.startswith("contrib"):
        from opentelemetry.instrumentation.django import DjangoInstrumentor

        DjangoInstrumentor().instrument()
    app = with_django.make(asgi=asgi)
    return spantap.instrument_app(app) if mode == "contrib_before" else app


def _asgi(mode: str, provider: TracerProvider | None) -> Any:
    import spantap
    from contracts.inbound.apps import with_asgi

    if mode == "middleware":
        return spantap.ASGIMiddleware(with_asgi.app)

    def contrib(app: Any) -> Any:
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

        return OpenTelemetryMiddleware(app)

    return _around(with_asgi.app, mode, contrib)


def _wsgi(mode: str, provider: TracerProvider | None) -> Any:
    import spantap
    from contracts.inbound.apps import with_wsgi

    if mode == "middleware":
        return spantap.WSGIMiddleware(with_wsgi.app)

    def contrib(app: Any) -> Any:
        from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

        return OpenTelemetryMiddleware(app)

    return _around(with_wsgi.app, mode, contrib)


def _with_contrib(app: Any, mode: str, contrib: Callable[[Any], Any]) -> Any:
    """App objects: contrib's instrumentation before or after ours, or alone."""
    import spantap

    if mode == "contrib_after":
        return contrib(spantap.instrument_app(app))
    if mode == "contrib_before":
        return spantap.instrument_app(contrib(app))
    return contrib(app) if mode in ("contrib_alone", "contrib_plain") else app


def _around(app: Any, mode: str, contrib: Callable[[Any], Any]) -> Any:
    """Bare callables: contrib's middleware outside or inside of ours, or alone."""
    import spantap

    if mode == "contrib_before":
        return contrib(spantap.instrument_app(app))
    if mode == "contrib_after":
        return spantap.instrument_app(contrib(app))
    return contrib(app) if mode in ("contrib_alone", "contrib_plain") else app


_BUILDERS: Final[dict[str, Callable[[str, TracerProvider | None], Any]]] = {
    "fastapi": _fastapi,
    "starlette": _starlette,
    "flask": _flask,
    "asgi": _asgi,
    "wsgi": _wsgi,
}
