"""OpenTelemetry's entry points: spantap without a line of code.

``OTEL_PYTHON_DISTRO=spantap OTEL_PYTHON_CONFIGURATOR=spantap opentelemetry-instrument ...``
makes the provider ours. Where another distro has won, the instrumentor alone does the work
and attaches to whatever provider there is.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

from spantap import configuration, instrument
from spantap.guard import logger
from spantap.model import ConfigurationError
from spantap.version import __version__

# Contrib's web instrumentations: ours does their work. Django's could even break the app: it
# configures Django with empty settings when DJANGO_SETTINGS_MODULE is not set yet.
REPLACED: Final = frozenset({"fastapi", "starlette", "flask", "django"})

_DEFAULTS: Final = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
}


class SpantapDistro(BaseDistro):  # type: ignore[misc]
    """The distro: stable HTTP conventions, OTLP over HTTP, and no second web instrumentation."""

    def _configure(self, **kwargs: Any) -> None:
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)

    def load_instrumentor(self, entry_point: Any, **kwargs: Any) -> None:
        """Load an instrumentation, unless spantap does its work."""
        if entry_point.name in REPLACED:
            logger.debug("%s: spantap captures it instead", entry_point.name)
            return
        super().load_instrumentor(entry_point, **kwargs)


class SpantapConfigurator(_OTelSDKConfigurator):
    """Sets up the SDK with our processor in the place of the standard ones."""

    def _configure(self, **kwargs: Any) -> None:
        try:
            handle = configuration.configure()
        except ConfigurationError as error:
            logger.error("%s\nspantap captures nothing; the app runs without it", error)
            return
        listed = os.environ.get("OTEL_TRACES_EXPORTER")
        # Our processor drives the exporters the variable lists; the SDK must not drive them too.
        os.environ["OTEL_TRACES_EXPORTER"] = "none"
        try:
            super()._configure(  # type: ignore[no-untyped-call]
                **kwargs,
                resource_attributes={
                    "telemetry.distro.name": "spantap",
                    "telemetry.distro.version": __version__,
                },
            )
        finally:
            if listed is None:
                del os.environ["OTEL_TRACES_EXPORTER"]
            else:
                os.environ["OTEL_TRACES_EXPORTER"] = listed
        # A configuration file names its own exporters, so its provider counts as the app's.
        handle.tap.adopt(trace.get_tracer_provider(), own=not os.environ.get("OTEL_CONFIG_FILE"))


class SpantapInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Captures every app of the process, whichever framework or server it meets."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing: frameworks and servers are met when the app imports them."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        try:
            configuration.configure(**kwargs)
        except ConfigurationError as error:
            logger.error("%s\nspantap captures nothing; the app runs without it", error)
            return
        instrument.everywhere(configuration.current_tap)

    def _uninstrument(self, **kwargs: Any) -> None:
        instrument.nowhere()
