"""The user's span limits, on the copies we export.

The SDK holds the live span to them; a clean copy is larger, because the exchange is on it.
Our own stores keep exchanges whole: they are not spans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanLimits

from spantap.codec.attributes import AttributeLimits, encode
from spantap.otel.exporter import CleanSpan, ExchangeSpan
from spantap.otel.retry import Delivery


class WithinLimits:
    """A delivery that gets every span within ``OTEL_[SPAN_]ATTRIBUTE_{COUNT,VALUE_LENGTH}_LIMIT``."""

    def __init__(self, open_delivery: Callable[[], Delivery]) -> None:
        """Args:
        open_delivery: makes what sends them.
        """
        self._delivery = open_delivery()
        limits = SpanLimits()
        self._limits = AttributeLimits(limits.max_span_attributes, limits.max_span_attribute_length)

    def deliver(self, spans: Sequence[ReadableSpan]) -> Mapping[str, int]:
        """Send one batch."""
        return self._delivery.deliver([within(span, self._limits) for span in spans])

    def close(self) -> None:
        """Close what sends them."""
        self._delivery.close()

    def interrupt(self) -> None:
        """Interrupt what sends them."""
        self._delivery.interrupt()


def within(span: ReadableSpan, limits: AttributeLimits) -> ReadableSpan:
    """The span, or a copy that keeps to the limits; what it lost is counted.

    Of an exchange its headers go first, then custom data; method, path, status and route last.
    """
    count, longest = limits.count, limits.value_length
    attributes = span.attributes or {}
    if (count is None or len(attributes) <= count) and (
        longest is None or not any(_cut(value, longest) is not value for value in attributes.values())
    ):
        return span
    kept: Mapping[str, Any] = attributes
    if isinstance(span, ExchangeSpan):
        ours = encode(span.exchange, limits)
        theirs = {name: value for name, value in attributes.items() if name not in encode(span.exchange)}
        kept = {**theirs, **ours}
    if count is not None and len(kept) > count:
        kept = dict(list(kept.items())[len(kept) - count :])  # the oldest go, as the SDK does it
    if longest is not None:
        kept = {name: _cut(value, longest) for name, value in kept.items()}
    copy = CleanSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=kept,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
    copy.lost_as(span)
    copy.attributes_lost += len(attributes.keys() - kept.keys())
    return copy


def _cut(value: Any, longest: int) -> Any:
    """The same object when it is short enough."""
    if isinstance(value, (str, bytes)):
        return value if len(value) <= longest else value[:longest]
    if isinstance(value, (list, tuple)) and any(_cut(each, longest) is not each for each in value):
        return tuple(_cut(each, longest) for each in value)
    return value
