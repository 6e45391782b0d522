"""OTLP JSON, as a collector's file exporter writes it -> exchanges.

A line is an OTLP request in the JSON Protobuf encoding (opentelemetry.io/docs/specs/otlp): ids in
hexadecimal, 64-bit integers as text, bytes as base64, enums as numbers.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from spantap.codec import names
from spantap.codec.attributes import SpanFacts, decode
from spantap.model import Exchange

Attributes = dict[str, Any]
"""Attribute name -> its value, as the SDK has it: sequences are tuples."""

_CLIENT: Final = (3, "SPAN_KIND_CLIENT")  # writers other than the collector may write the name
_SERVICE: Final = "service.name"
# What others say of a value they cannot read may quote it.
_NOT_AS_EXPECTED: Final = (AttributeError, KeyError, TypeError, ValueError)
_WRONG: Final = "not OTLP JSON"


def from_line(line: bytes | str) -> list[Exchange]:
    """The exchanges of one line, in order; spans that hold none are passed over.

    Args:
        line: one OTLP request; of metrics and logs nothing is read.

    Returns:
        Exchanges as they were captured, less what a processor of the collector has taken out.
        Whether a trace was sampled is not in the protocol: it is taken to be.

    Raises:
        ValueError: it is not JSON, or not OTLP.
    """
    found = [each for each in spans(line) if names.RECORD_VERSION in each[0]]
    try:
        return [decode(attributes, facts) for attributes, facts in found]
    except _NOT_AS_EXPECTED:
        raise ValueError(_WRONG) from None


def from_lines(lines: Iterable[bytes | str]) -> Iterator[Exchange]:
    """The exchanges of a file, in order; blank lines are skipped.

    Args:
        lines: an open file, for one.

    Raises:
        ValueError: a line is not JSON, or not OTLP.
    """
    return (exchange for line in lines if line.strip() for exchange in from_line(line))


def spans(line: bytes | str) -> Iterator[tuple[Attributes, SpanFacts]]:
    """Every span of one line, whoever made it: its attributes, and its ids, times, kind and service.

    Raises:
        ValueError: it is not JSON, or not OTLP.
    """
    try:
        yield from _spans(orjson.loads(line))
    except _NOT_AS_EXPECTED:
        raise ValueError(_WRONG) from None


def _spans(request: Mapping[str, Any]) -> Iterator[tuple[Attributes, SpanFacts]]:
    for resource_spans in request.get("resourceSpans") or ():
        resource = resource_spans.get("resource") or {}
        service = _attributes(resource.get("attributes") or ()).get(_SERVICE)
        for scope_spans in resource_spans.get("scopeSpans") or ():
            for span in scope_spans.get("spans") or ():
                yield _attributes(span.get("attributes") or ()), _facts(span, service)


def _facts(span: Mapping[str, Any], service: object) -> SpanFacts:
    start = int(span.get("startTimeUnixNano") or 0)
    return SpanFacts(
        trace_id=span["traceId"].lower(),
        span_id=span["spanId"].lower(),
        parent_span_id=(span.get("parentSpanId") or "").lower() or None,
        start=start,
        end=int(span.get("endTimeUnixNano") or start),
        direction="outbound" if span.get("kind") in _CLIENT else "inbound",
        service=None if service is None else str(service),
    )


def _attributes(pairs: Iterable[Mapping[str, Any]]) -> Attributes:
    return {pair["key"]: _value(pair.get("value") or {}) for pair in pairs}


def _value(value: Mapping[str, Any]) -> Any:
    """The value of a protobuf `AnyValue`; None when it has none."""
    for kind, inner in value.items():
        match kind:
            case "stringValue" | "boolValue":
                return inner
            case "intValue":
                return int(inner)
            case "doubleValue":
                return float(inner)  # NaN and the infinities are text
            case "bytesValue":
                return base64.b64decode(inner)
            case "arrayValue":
                return tuple(_value(each) for each in inner.get("values") or ())
            case "kvlistValue":
                return _attributes(inner.get("values") or ())
    return None
