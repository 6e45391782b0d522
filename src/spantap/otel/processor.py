"""The span processor: every ended span leaves it as a clean copy, into one queue per destination."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind

from spantap.guard import report
from spantap.model import Exchange, Identity, Observation
from spantap.model.exchange import NOBODY
from spantap.otel.budget import Budget, Parcel
from spantap.otel.clean_copy import SpanCleaner
from spantap.otel.exporter import ExchangeSpan
from spantap.otel.inherited import inherit
from spantap.otel.queue import DeliveryQueue
from spantap.otel.shed import STAGES
from spantap.otel.tracing import SCOPE
from spantap.otel.under_policy import takes
from spantap.policy.bounds import METADATA_MAX_BYTES
from spantap.policy.decide import Unsampled
from spantap.policy.destination import DestinationPolicy
from spantap.policy.redact import Tally

if TYPE_CHECKING:
    from spantap.otel.session import Session

_OF_REQUESTS: Final = (SpanKind.SERVER, SpanKind.CLIENT)
_PARKED_SECONDS: Final = 30.0
_MOST_PARKED: Final = 1000
_ATTEMPTS: Final = 8  # other threads may take what was freed
_SETTLE_SECONDS: Final = 0.5
_SPAN_BYTES: Final = 512  # a span without attributes, about
_ITEM_BYTES: Final = 32  # an attribute, event or link without its value
_EXCHANGE_BYTES: Final = 24 * _ITEM_BYTES  # an exchange without headers and bodies, about


@dataclass(frozen=True, slots=True)
class Route:
    """A destination's queue and which spans it is for.

    Attributes:
        queue: where they go.
        exchanges_only: only spans with an exchange in them (stores); else every span (OTLP).
        sampled_only: only spans of sampled traces, unless ``CAPTURE_UNSAMPLED=all``.
        policy: which exchanges a store gets, and of which ones a collector gets the record.
    """

    queue: DeliveryQueue
    exchanges_only: bool
    sampled_only: bool
    policy: DestinationPolicy | None = None

    def wants(self, exchange: Exchange) -> bool:
        """Whether the span of an exchange goes there; if its policy leaves out the record, it is counted."""
        if self.policy is None:
            return True
        taken = takes(self.policy, exchange)
        if taken is None and self.exchanges_only:
            self.queue.refuse("policy_failed")
        elif not taken:
            self.queue.leave_out()
        return bool(taken) or not self.exchanges_only


class CaptureProcessor(SpanProcessor):
    """Joins ended spans with their sessions and hands out clean copies. Thread-safe.

    Nothing it does may raise: the SDK lets a processor's exception reach the app.

    Attributes:
        exchanges_only: spans without an exchange go nowhere.
        takes_unsampled: an exchange of a trace that is not sampled may go somewhere.
        identity: set by the tap: makes who is behind a request as spans beneath it may show it; None: they
            do not.
        finish: set by the tap: waits, so many seconds, for exchanges that are just being finished; a
            provider that ends with the process stops us before anybody else hears of the end.
    """

    def __init__(
        self, cleaner: SpanCleaner, routes: Sequence[Route], budget: Budget, unsampled: Unsampled
    ) -> None:
        self._cleaner = cleaner
        self._budget = budget
        self._unsampled = unsampled
        self.identity: Callable[[Observation], Identity] | None = None
        self.finish: Callable[[float], bool] = lambda timeout: True
        self._use(routes)
        self.reset_after_fork()

    def leave_spans_to_the_app(self) -> None:
        """The provider is the app's own, and so is the export of its spans: only stores remain.

        Its spans carry the exchange; a second OTLP exporter would deliver every span twice.
        """
        self._use([route for route in self._routes if route.exchanges_only])

    def _use(self, routes: Sequence[Route]) -> None:
        self._routes = tuple(routes)
        self.exchanges_only = all(route.exchanges_only for route in self._routes)
        self.takes_unsampled = any(self._takes_unsampled(route) for route in self._routes)

    def _takes_unsampled(self, route: Route) -> bool:
        return not route.sampled_only or self._unsampled == "all"

    def reset_after_fork(self) -> None:
        """In the child: requests in flight belong to the parent."""
        self.sessions: dict[int, Session] = {}
        # Until when, and how much of the response had passed by then; the oldest first.
        self._parked: dict[Session, tuple[float, int]] = {}
        self._abandoned: deque[int] = deque()
        self._observed: weakref.WeakSet[Span] = weakref.WeakSet()
        self._lock = threading.RLock()

    # The SDK's side ---------------------------------------------------------------------------

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Remember other people's spans of requests: only of those shall we hear the end. Others inherit."""
        scope = span.instrumentation_scope
        theirs = scope is None or scope.name != SCOPE
        if theirs and span.kind in _OF_REQUESTS:
            self._observed.add(span)
        if self.identity is not None and span.kind is not SpanKind.SERVER:
            try:
                inherit(span, self.identity)
            except Exception as error:  # noqa: BLE001 - see the class
                report("writing who it was on a span", error)

    def observes(self, span: object) -> bool:
        """Whether the provider of a span of a request, not ours, is one of those we are attached to."""
        return span in self._observed

    def alone(self, provider: object) -> bool:
        """Whether a provider tells nobody but us of its spans, as far as can be seen."""
        active = getattr(provider, "_active_span_processor", None)  # the SDK shows them nowhere else
        others: object = getattr(active, "_span_processors", None)
        return others == (self,)

    def on_end(self, span: ReadableSpan) -> None:
        """Take the ended span: with its exchange, parked until the exchange ends, or as it is."""
        try:
            context = span.get_span_context()
            session = self.sessions.get(context.span_id) if context is not None else None
            if session is None or session.context != context:
                self.emit_plain(span)
            elif session.span_ended(span):
                self.park(session)
        except Exception as error:  # noqa: BLE001 - see the class
            report("taking an ended span", error)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued within the time."""
        return self.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Send what is queued, and what is just being finished, within 5 seconds, and stop."""
        deadline = time.monotonic() + 5.0
        self.finish(2.0)
        self.stop(deadline - time.monotonic())

    # Our side ---------------------------------------------------------------------------------

    def emit(self, span: ReadableSpan, exchange: Exchange, tally: Tally) -> None:
        """Queue the clean copy of an exchange's span wherever exchanges go."""
        copy = self._cleaner.copy_with(span, exchange, tally)
        self._offer(copy, exchange=exchange, sampled=exchange.sampled)

    def emit_plain(self, span: ReadableSpan, tally: Tally | None = None) -> None:
        """Queue the clean copy of a span without an exchange wherever all spans go.

        Args:
            span: the span, ended.
            tally: knows the secrets it may quote; found out when None.
        """
        context = span.get_span_context()
        if self.exchanges_only or context is None or not context.trace_flags.sampled:
            return
        known = self._known_about(span) if tally is None else tally
        self._offer(self._cleaner.copy(span, known), exchange=None, sampled=True)

    def _known_about(self, span: ReadableSpan) -> Tally:
        """What is secret in the requests a failed span may quote: those of its trace that are open.

        An exception is likely to quote what was asked. Spans that do not fail are left out: to look
        for this costs as much as to clean the request.
        """
        tally, context = Tally(), span.context
        if context is not None and (span.events or span.status.description):
            for session in list(self.sessions.values()):
                if session.context.trace_id == context.trace_id:
                    session.learn(tally)
        return tally

    def _offer(self, span: ReadableSpan, *, exchange: Exchange | None, sampled: bool) -> None:
        wanted = [
            route.queue
            for route in self._routes
            if (sampled or self._takes_unsampled(route))
            and (not route.exchanges_only if exchange is None else route.wants(exchange))
        ]
        if not wanted:
            return
        size = _size(span)
        if not self._budget.charge(size) and not self._make_room(size):
            for queue in wanted:
                queue.refuse("budget")
            return
        parcel = Parcel(span, size, self._budget)
        try:
            for queue in wanted:
                queue.put(parcel)
        finally:
            parcel.release()

    def _make_room(self, size: int) -> bool:
        """The memory for queues is spent: those who wait longest get lighter; then they go.

        Whatever is freed comes from the queue that holds most, so that a destination that takes
        nothing does not cost the others their part. Whether the bytes asked for are charged now.
        """
        budget = self._budget
        if size > budget.limit:
            return False
        with self._lock:
            for attempt in range(_ATTEMPTS):
                if budget.charge(size):
                    return True
                self._free(size, everywhere=attempt == _ATTEMPTS - 1)
            return budget.charge(size)

    def _free(self, size: int, *, everywhere: bool) -> None:
        budget = self._budget
        wanted = max(size, budget.limit // 256)  # some more: not again for each span
        for queue in self.queues:
            queue.page_out(wanted)
        if budget.used + size <= budget.limit:
            return
        queues = sorted(self.queues, key=_waiting_bytes, reverse=True)
        for stage in range(len(STAGES)):
            wanted -= queues[0].lighten(stage, wanted, _size)
            if wanted <= 0:
                break
        # What several hold is not gone before the last of them drops it: the fullest now, the next one with
        # the next attempt.
        for queue in queues if everywhere else queues[:1]:
            if wanted > 0 and budget.used + size > budget.limit:
                queue.drop_oldest(wanted, "budget")
        for queue in queues:
            queue.weigh()

    def park(self, session: Session) -> None:
        """Keep a half-finished session until its other half comes: 30 seconds, more while a body flows."""
        with self._lock:
            self._parked.setdefault(session, (time.monotonic() + _PARKED_SECONDS, session.response.size))
        self.sweep()

    def remember(self, session: Session) -> None:
        """A session has begun; its span may end before it does."""
        span = session.span
        if span.is_recording() and isinstance(span, ReadableSpan):
            self.sessions[session.context.span_id] = session

    def forget(self, session: Session) -> None:
        """The session has emitted; its span, should it end only now, is not emitted again."""
        with self._lock:
            self._parked.pop(session, None)
        span_id = session.context.span_id
        if span_id in self.sessions:
            if session.owned or session.ended:
                del self.sessions[span_id]
                return
            # Somebody else's span that has not ended yet: remember it, within bounds.
            self._abandoned.append(span_id)
            if len(self._abandoned) > _MOST_PARKED:
                self.sessions.pop(self._abandoned.popleft(), None)

    def sweep(self, *, everything: bool = False) -> None:
        """Settle parked sessions whose time has come, or all of them."""
        now = time.monotonic()
        due: list[Session] = []
        with self._lock:
            while self._parked:
                session, (until, size) = next(iter(self._parked.items()))
                if not everything and until > now and len(self._parked) <= _MOST_PARKED:
                    break
                del self._parked[session]
                if until <= now and not (everything or session.done) and session.response.size > size:
                    self._parked[session] = now + _PARKED_SECONDS, session.response.size
                else:
                    due.append(session)
        for session in due:
            session.settle()

    def settle_open(self) -> None:
        """The process ends: emit every exchange that has begun to answer, as far as it came.

        A signal handler that ends the process may do so in the middle of our own work.
        """
        for session in list(self.sessions.values()):
            if session.seen.status is not None:
                session.settle("process_ended")

    def begin(self) -> None:
        """The process begins to serve: what earlier ones have left on disk is delivered."""
        for queue in self.queues:
            queue.begin()

    def flush(self, timeout: float) -> bool:
        """Send what is queued.

        Args:
            timeout: seconds for all destinations together.

        Returns:
            Whether every queue was emptied in time.
        """
        self.sweep()
        deadline = time.monotonic() + timeout
        for route in self._routes:
            route.queue.hurry()  # all at once: one that takes nothing must not use up the others' time
        done = [route.queue.flush(max(0.0, deadline - time.monotonic())) for route in self._routes]
        for route in self._routes:
            route.queue.settle(_SETTLE_SECONDS)
        return all(done)

    def stop(self, timeout: float) -> bool:
        """Settle everything, send what is queued and end the workers; True when nothing was lost."""
        self.sweep(everything=True)
        deadline = time.monotonic() + timeout
        self.flush(timeout)
        done = [route.queue.shutdown(max(0.1, deadline - time.monotonic())) for route in self._routes]
        return all(done)

    @property
    def queues(self) -> tuple[DeliveryQueue, ...]:
        """The queue of every destination."""
        return tuple(route.queue for route in self._routes)


def _waiting_bytes(queue: DeliveryQueue) -> int:
    return queue.waiting_bytes


def _size(span: ReadableSpan) -> int:
    """Estimated bytes of a span, encoded or held."""
    if isinstance(span, ExchangeSpan):
        size = _SPAN_BYTES + _length(span.others) + _exchange_size(span.exchange)
    else:
        size = _SPAN_BYTES + _length(span.attributes)
    for event in span.events:
        size += _ITEM_BYTES + _length(event.attributes)
    for link in span.links:
        size += _ITEM_BYTES + _length(link.attributes)
    return size + len(span.status.description or "")


def _exchange_size(exchange: Exchange) -> int:
    """That of its attributes, which are not made for it. What is not counted by itself is short."""
    request, response, identity = exchange.request, exchange.response, exchange.identity
    size = _EXCHANGE_BYTES + request.headers.size + response.headers.size
    size += len(request.path) + len(request.query)
    size += len(request.body.content or "") + len(response.body.content or "")
    if exchange.metadata:
        size += METADATA_MAX_BYTES
    size += _ITEM_BYTES * 2 * (len(exchange.metrics) + len(exchange.redactions))
    if exchange.error is not None:
        size += len(exchange.error.message or "")
    if identity is not NOBODY:
        said = (identity.user, identity.user_hash, identity.email)
        also = (identity.company, identity.session, identity.device)
        size += sum(len(each) for each in (*said, *also) if each is not None)
    return size


def _length(attributes: Mapping[str, Any] | None) -> int:
    if not attributes:
        return 0
    size = _ITEM_BYTES * len(attributes)
    for value in attributes.values():
        kind = type(value)
        if kind is str or kind is bytes:
            size += len(value)
        elif kind is tuple:
            for each in value:
                size += len(each) if type(each) is str else 8
    return size
