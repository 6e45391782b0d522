"""Spans with an exchange in them, as exporters see them: the clean copy and the way back."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence, ValuesView
from typing import Any, Final

from opentelemetry.sdk.resources import SERVICE_NAME
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanKind, format_span_id, format_trace_id

from spantap.codec import names
from spantap.codec.attributes import SpanFacts, decode, encode
from spantap.export.outcome import NotTakenError
from spantap.export.sink import Expiring, ProcessReport, Reporting, Sink, policy_of
from spantap.guard import logger, report
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy

_REPORT_SECONDS: Final = 1.0
_EXPIRE_SECONDS: Final = 60.0


class CleanSpan(ReadableSpan):
    """A clean copy of an ended span.

    Attributes:
        attributes_lost, events_lost, links_lost: what the span itself had lost to its limits.
    """

    attributes_lost = events_lost = links_lost = 0

    def lost_as(self, span: ReadableSpan) -> None:
        """Take over what another span has counted as lost."""
        self.attributes_lost = span.dropped_attributes
        self.events_lost = span.dropped_events
        self.links_lost = span.dropped_links

    @property
    def dropped_attributes(self) -> int:
        """As the span itself counted them."""
        return self.attributes_lost

    @property
    def dropped_events(self) -> int:
        """As the span itself counted them."""
        return self.events_lost

    @property
    def dropped_links(self) -> int:
        """As the span itself counted them."""
        return self.links_lost


class CleanEvent(Event):
    """A clean copy of an event.

    Attributes:
        attributes_lost: attributes the event itself had lost to its limits.
    """

    attributes_lost = 0

    @property
    def dropped_attributes(self) -> int:
        """As the event itself counted them."""
        return self.attributes_lost


class CleanLink(Link):
    """A clean copy of a link.

    Attributes:
        attributes_lost: attributes the link itself had lost to its limits.
    """

    attributes_lost = 0

    @property
    def dropped_attributes(self) -> int:
        """As the link itself counted them."""
        return self.attributes_lost


class ExchangeSpan(CleanSpan):
    """A clean copy that also holds the exchange its attributes describe.

    Attributes:
        exchange: the same facts, so that a sink need not decode the attributes.
        others: the attributes that are not the exchange's.
    """

    exchange: Exchange
    others: Mapping[str, Any]


class ExchangeAttributes(Mapping[str, Any]):
    """The attributes of an `ExchangeSpan`, made when somebody asks for them: stores never do."""

    __slots__ = ("_exchange", "_made", "_others")

    def __init__(self, exchange: Exchange, others: Mapping[str, Any]) -> None:
        """Args:
        exchange: what is written as attributes.
        others: the attributes that are not the exchange's, which go before them.
        """
        self._exchange = exchange
        self._others = others
        self._made: dict[str, Any] | None = None

    def _all(self) -> dict[str, Any]:
        made = self._made
        if made is None:
            made = self._made = {**self._others, **encode(self._exchange)}
        return made

    def __getitem__(self, name: str) -> Any:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def items(self) -> ItemsView[str, Any]:
        """As the dict has them."""
        return self._all().items()

    def values(self) -> ValuesView[Any]:
        """As the dict has them."""
        return self._all().values()


def exchange_of(span: ReadableSpan) -> Exchange | None:
    """The exchange in a span; None when the span holds none."""
    if isinstance(span, ExchangeSpan):
        return span.exchange
    attributes = span.attributes or {}
    context = span.get_span_context()
    if names.RECORD_VERSION not in attributes or context is None:
        return None
    service = span.resource.attributes.get(SERVICE_NAME)
    return decode(
        attributes,
        SpanFacts(
            trace_id=format_trace_id(context.trace_id),
            span_id=format_span_id(context.span_id),
            parent_span_id=format_span_id(span.parent.span_id) if span.parent else None,
            start=span.start_time or 0,
            end=span.end_time or span.start_time or 0,
            direction="outbound" if span.kind is SpanKind.CLIENT else "inbound",
            service=None if service is None else str(service),
            sampled=context.trace_flags.sampled,
        ),
    )


class SinkExporter(SpanExporter):
    """Dresses a `Sink` as an OpenTelemetry span exporter; spans without an exchange are passed over.

    Works behind our own queue and behind any span processor of the SDK.

    Attributes:
        expired: exchanges the sink has let go of because they were too old or too many.
    """

    def __init__(
        self,
        sink: Sink,
        about: Callable[[], ProcessReport] | None = None,
        policy: DestinationPolicy | None = None,
    ) -> None:
        """Args:
        sink: where exchanges go.
        about: makes the report on this process, for a sink that keeps it.
        policy: which exchanges, and which fields of them, if the sink has no policy of its own.
        """
        self.sink = sink
        self._policy = policy_of(sink) or policy
        self._about = about if isinstance(sink, Reporting) else None
        self._reported: Mapping[str, Any] | None = None
        self._report_due = 0.0
        self.expired = 0
        self._expire_due = 0.0

    def settled(self, *, final: bool) -> None:
        """A batch is done, or the worker has nothing to do: let go of what is too old, report on the process.

        Args:
            final: everything is flushed and this may be the last call: report at once; else once a
                second at most.
        """
        self._expire()
        if self._about is None or not (final or time.monotonic() >= self._report_due):
            return
        self._report_due = time.monotonic() + _REPORT_SECONDS
        about = self._about()
        if about.facts != self._reported and isinstance(self.sink, Reporting):
            self.sink.report(about)
            self._reported = about.facts

    def _expire(self) -> None:
        """Once a minute: it may have to look at all of the store."""
        if not isinstance(self.sink, Expiring) or time.monotonic() < self._expire_due:
            return
        self._expire_due = time.monotonic() + _EXPIRE_SECONDS
        try:
            self.expired += self.sink.expire()
        except (NotTakenError, OSError) as error:
            logger.debug("%s could not expire anything: %s", self.sink.name, type(error).__name__)

    def deliver(self, spans: Sequence[ReadableSpan]) -> Mapping[str, int]:
        """Write the exchanges of a batch, which are chosen already; returns and raises what the sink does."""
        exchanges = [exchange for span in spans if (exchange := exchange_of(span)) is not None]
        return self._write(exchanges)

    def _write(self, exchanges: Sequence[Exchange]) -> Mapping[str, int]:
        if self._policy is not None:
            exchanges = [self._policy.reduced(each) for each in exchanges]
        return (self.sink.write(exchanges) if exchanges else None) or {}

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """As the SDK wants it: failures are logged once and returned, never raised."""
        try:
            self._write(
                [each for span in spans if (each := exchange_of(span)) is not None and self._takes(each)]
            )
            self._expire()
        except Exception as error:  # noqa: BLE001 - the SDK lets an exporter's exception reach the app
            report(f"writing to {self.sink.name}", error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def _takes(self, exchange: Exchange) -> bool:
        return self._policy is None or self._policy.takes(exchange)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back."""
        return True

    def close(self) -> None:
        """Close the sink."""
        self.sink.close()

    def interrupt(self) -> None:
        """A sink finishes what it is writing."""

    def shutdown(self) -> None:
        """Close the sink."""
        self.sink.close()


class DeliveringExporter(SpanExporter, ABC):
    """What the OTLP protocols share: a standard exporter that the delivery worker drives."""

    _closed = False

    @abstractmethod
    def deliver(self, spans: Sequence[ReadableSpan]) -> Mapping[str, int]:
        """Send one batch, in one try; see `spantap.otel.retry.Delivery`."""

    def close(self) -> None:
        """Close connections; the exporter is not used again."""
        if not self._closed:
            self._closed = True
            self.shutdown()

    def interrupt(self) -> None:
        """Close connections: a request under way ends."""
        self.close()
