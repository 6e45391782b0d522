"""The app's own numbers as OpenTelemetry metrics: `RECORD_METRICS`."""

from __future__ import annotations

import re
from typing import Final

from opentelemetry import metrics
from opentelemetry.metrics import Histogram
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)

from spantap.codec.attributes import KNOWN_METHODS
from spantap.guard import report
from spantap.model import Exchange
from spantap.otel.tracing import SCOPE
from spantap.version import __version__

_MOST: Final = 64  # names: each is a time series, and an app may make them up
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}")


class Instruments:
    """A histogram for each name, of the meter provider in force when the first is met. Thread-safe."""

    def __init__(self) -> None:
        self._made: dict[str, Histogram] = {}

    def record(self, exchange: Exchange) -> None:
        """Record the numbers of an exchange, with its method, route and status. Never raises."""
        try:
            request, status = exchange.request, exchange.response.status
            about = {
                HTTP_REQUEST_METHOD: request.method if request.method in KNOWN_METHODS else "_OTHER",
                HTTP_ROUTE: exchange.route,
                HTTP_RESPONSE_STATUS_CODE: status,
            }
            known = {name: value for name, value in about.items() if value is not None}
            for name, value in exchange.metrics.items():
                instrument = self._instrument(name)
                if instrument is not None and value >= 0:
                    instrument.record(value, known)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("recording a metric", error)

    def _instrument(self, name: str) -> Histogram | None:
        made = self._made.get(name)
        if made is None and len(self._made) < _MOST and _NAME.fullmatch(name):
            made = metrics.get_meter(SCOPE, __version__).create_histogram(name)
            self._made[name] = made
        return made
