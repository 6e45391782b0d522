"""OTLP by the standard exporters, opened only when there is something to send.

Protocol, endpoint, headers, compression, timeout and certificates are the standard
``OTEL_EXPORTER_OTLP_*`` variables, read by the exporters themselves; only the default
protocol differs: ``http/protobuf``, as the specification recommends. ``OTEL_BSP_EXPORT_TIMEOUT``
shortens the timeout, which is that of one try; trying again is the queue's business.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

from spantap.otel.retry import Delivery

PROTOCOLS: Final = ("http/protobuf", "grpc")
COMPRESSIONS: Final = ("none", "gzip", "deflate")
EXPORT_TIMEOUT: Final = "OTEL_BSP_EXPORT_TIMEOUT"
_DEFAULT_TIMEOUT: Final = "10"


def endpoint(environ: Mapping[str, str] = os.environ) -> str | None:
    """The OTLP endpoint the environment names, or None: we never dial a default unasked."""
    return (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        or None
    )


def protocol(environ: Mapping[str, str] = os.environ) -> str:
    """The OTLP protocol the environment names, in lower case; ``http/protobuf`` when it names none."""
    return (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or PROTOCOLS[0]
    ).lower()


def is_seconds(text: str) -> bool:
    """Whether it is a finite number above 0."""
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False


def timeout(environ: Mapping[str, str] = os.environ) -> float | None:
    """Seconds a try has; None leaves it to the standard exporter."""
    milliseconds = environ.get(EXPORT_TIMEOUT, "").strip()
    if not milliseconds.isdecimal():
        return None
    seconds = (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")
        or environ.get("OTEL_EXPORTER_OTLP_TIMEOUT")
        or _DEFAULT_TIMEOUT
    )
    return min(int(milliseconds) / 1000, float(seconds))


class Collector(Delivery, Protocol):
    """An OTLP exporter of ours."""

    def probe(self, seconds: float, /) -> str | None:
        """Ask the collector to take nothing; what is wrong, None when it takes it."""


def open_otlp() -> Collector:
    """The exporter for the protocol the environment names. Called on the worker thread.

    Raises:
        ValueError: the environment names a protocol there is none for.
    """
    named = protocol()
    # Imported only now: requests costs a tenth of a second, grpc threads and 20 MB.
    if named == "http/protobuf":
        from spantap.otel.otlp_http import OTLPOverHTTP

        return OTLPOverHTTP(timeout=timeout())
    if named == "grpc":
        from spantap.otel.otlp_grpc import OTLPOverGRPC

        return OTLPOverGRPC(timeout=timeout())
    raise ValueError(f"OTLP protocol {named!r}: use one of {', '.join(PROTOCOLS)}")


def prepare() -> None:
    """What must be done while the interpreter lives on, so that a first batch can be sent at its end.

    The gRPC exporter imports the SDK's logs, and these ask the resource detectors as they are
    imported, in a thread pool, which cannot be had any more at exit.
    """
    if protocol() == "grpc":
        importlib.import_module("opentelemetry.sdk._logs")


def place(environ: Mapping[str, str] = os.environ) -> str:
    """The same without user, password and query: it tells one collector from another, and no secret."""
    where = target(environ)
    if "://" not in where:
        return where.rpartition("@")[2]
    parts = urlsplit(where)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def target(environ: Mapping[str, str] = os.environ) -> str:
    """Where the environment sends spans: the URL with the path that HTTP appends; may hold a password."""
    named = endpoint(environ)
    over_http = protocol(environ) != "grpc"
    if named is None:
        return "http://localhost:4318/v1/traces" if over_http else "http://localhost:4317"
    if environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or not over_http:
        return named
    return named.rstrip("/") + "/v1/traces"
