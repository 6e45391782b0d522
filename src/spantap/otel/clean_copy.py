"""The clean copy of an ended span: what our destinations get instead of the span itself.

The instrumentations beneath us write URLs, headers and exceptions on spans as they are; a
span may be shared with other people's processors, so it is copied, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace.status import Status

from spantap.codec import names
from spantap.codec.attributes import encode
from spantap.model import Exchange
from spantap.otel.exporter import CleanSpan, ExchangeSpan
from spantap.policy.redact import Redactor, Tally

Copy = TypeVar("Copy", bound=CleanSpan)

# Written by the HTTP instrumentations, old and stable conventions.
_URLS: Final = frozenset({"url.full", "http.url", "http.target"})
_PATHS: Final = frozenset({"url.path"})
_QUERIES: Final = frozenset({"url.query"})
_TEXTS: Final = frozenset({"exception.message", "exception.stacktrace"})
_HEADERS: Final = (names.HTTP_REQUEST_HEADER, names.HTTP_RESPONSE_HEADER)


class SpanCleaner:
    """Makes clean copies. Immutable, thread-safe."""

    __slots__ = ("_redactor",)

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def copy(self, span: ReadableSpan) -> ReadableSpan:
        """A span of somebody else's, cleaned; the span itself when it holds nothing to clean."""
        attributes = span.attributes or {}
        if not (
            any(_needs_cleaning(name) for name in attributes)
            or span.events
            or span.status.description
            or "?" in span.name
        ):
            return span
        tally = Tally()
        return _copied(CleanSpan, span, self._attributes(attributes, tally), self, tally)

    def copy_with(self, span: ReadableSpan, exchange: Exchange, tally: Tally) -> ExchangeSpan:
        """The span that carries an exchange: its attributes cleaned, the exchange's put over them."""
        encoded = encode(exchange)
        # What the exchange says itself need not be cleaned first. Of somebody else's headers none
        # stays: contrib writes `x_api_key`, the conventions and we `x-api-key`.
        theirs = {
            name: value
            for name, value in (span.attributes or {}).items()
            if name not in encoded and not name.startswith(_HEADERS)
        }
        attributes = {**self._attributes(theirs, tally), **encoded}
        copy = _copied(ExchangeSpan, span, attributes, self, tally)
        copy.exchange = exchange
        return copy

    def name(self, name: str) -> str:
        """A span name without the values of a query string."""
        return name if "?" not in name else self._redactor.url(name, Tally())

    def events(self, events: Sequence[Event], tally: Tally) -> Sequence[Event]:
        """Events with clean exception texts and URLs."""
        return [
            Event(event.name, self._attributes(event.attributes or {}, tally), event.timestamp)
            for event in events
        ]

    def status(self, status: Status, tally: Tally) -> Status:
        """A status with a clean description."""
        if not status.description:
            return status
        return Status(status.status_code, self._redactor.text(status.description, tally))

    def _attributes(self, attributes: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
        clean = dict(attributes)
        for name, value in attributes.items():
            if _needs_cleaning(name):
                clean[name] = self._value(name, value, tally)
        return clean

    def _value(self, name: str, value: Any, tally: Tally) -> Any:
        if name.startswith(_HEADERS):
            field = name.rsplit(".", 1)[1].replace("_", "-")
            values = [value] if isinstance(value, str) else list(value)
            return tuple(
                clean for _, clean in self._redactor.header_pairs([(field, str(v)) for v in values], tally)
            )
        if name in _PATHS:
            return self._redactor.path(str(value), tally)
        if name in _QUERIES:
            return self._redactor.query(str(value), tally)
        if name in _URLS:
            return self._redactor.url(str(value), tally)
        return self._redactor.text(str(value), tally)


def _needs_cleaning(name: str) -> bool:
    return name in _URLS or name in _PATHS or name in _QUERIES or name in _TEXTS or name.startswith(_HEADERS)


def _copied(
    kind: type[Copy], span: ReadableSpan, attributes: dict[str, Any], cleaner: SpanCleaner, tally: Tally
) -> Copy:
    copy = kind(
        name=cleaner.name(span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=cleaner.events(span.events, tally),
        links=span.links,
        kind=span.kind,
        status=cleaner.status(span.status, tally),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
    copy.attributes_lost = span.dropped_attributes
    return copy
