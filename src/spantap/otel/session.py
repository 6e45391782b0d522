"""One open request: what was seen of it, its span, and what the app says about it.

A door makes one per request and calls it as the request goes by; `finish` comes after the
last byte and makes the exchange. A session is used by one request at a time; only `finish`
and `span_ended` may meet on different threads, and a lock keeps them apart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.semconv.attributes.url_attributes import URL_QUERY
from opentelemetry.trace import Span, SpanContext, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from spantap.capture import raised
from spantap.capture.recorder import BodyRecorder
from spantap.guard import report
from spantap.model import Exchange, Identity, Observation
from spantap.otel.current import NOBODY, Current
from spantap.otel.followers import Followers
from spantap.otel.late import late_of
from spantap.otel.live import full_attributes, plain_attributes, write_exception
from spantap.otel.passage import PassageWithCurrent
from spantap.otel.stand_in import stand_in
from spantap.policy.decide import NOT_SELECTED, Drop, Outcome, decide
from spantap.policy.rates import Known
from spantap.policy.redact import Tally

if TYPE_CHECKING:
    from spantap.otel.client_tap import ClientTap
    from spantap.otel.tap import Tap

# In the scope or environ: this request has passed a door already, which looks at it or (None) does not.
SESSION: Final = "spantap.session"
_SAMPLED: Final = TraceFlags.SAMPLED
_AT_ONCE: Final = 64 * 1024  # so many bytes are finished where the request ran


class Session(PassageWithCurrent):
    """See the module. Everything public here is for the doors.

    Attributes:
        seen: the raw facts so far.
        request, response: collect the bodies as they pass.
        span: the SERVER span of the request.
        owned: the span is ours to end.
        captured: the exchange is wanted; when False only the span is kept right.
        followers: what waits until it is known who is behind the request; None: nothing has to.
        data_attribute: of a framework's request, that holds facts of the app's own.
        complete: set by the door: fills in what is cheaper to find out at the end (headers,
            route); called before the exchange is made, perhaps on the finisher's thread.
    """

    __slots__ = (
        "_done",
        "_early",
        "_ended",
        "_enriches",
        "_late",
        "_lock",
        "_outcome",
        "_parent",
        "_settled",
        "_stacktrace",
        "_tap",
        "_waits",  # as `_within`, of a request that is sent alone
        "_within",
        "captured",
        "complete",
        "context",
        "data_attribute",
        "followers",
        "owned",
        "request",
        "response",
        "seen",
        "span",
    )

    def __init__(
        self,
        tap: Tap | ClientTap,
        seen: Observation,
        span: Span,
        *,
        owned: bool,
        captured: bool,
        parent: SpanContext | None = None,
        context: Context | None = None,
    ) -> None:
        super().__init__(context, Current(seen) if captured else NOBODY)
        self._tap = tap
        self.seen = seen
        self.span = span
        self.owned = owned
        self.captured = captured
        self.data_attribute = tap.data_attribute
        self.context = span.get_span_context()
        self.complete: Callable[[], None] | None = None
        if captured:
            self._current.owner = self
        self.followers = Followers() if captured and tap.hears_late else None
        self._late = late_of(span)
        self._parent = parent
        self._enriches = tap.enriches(span, owned=owned)
        self.request = BodyRecorder(tap.collect_request if captured else 0)
        self.response = BodyRecorder(tap.collect_response if captured else 0)
        self._lock = threading.RLock()  # reentrant: a signal handler may come in between
        self._outcome: Outcome | None = None
        self._early: Outcome | None = None
        self._ended: ReadableSpan | None = None
        self._stacktrace: str | None = None
        self._done = self._settled = False

    @property
    def done(self) -> bool:
        """Whether `finish` was called."""
        return self._done

    @property
    def ended(self) -> bool:
        """Whether the span is known to be over."""
        return self._ended is not None

    def answered(self, status: object) -> None:
        """The app has set a status; one that is not a status code is not kept."""
        if isinstance(status, int) and 0 <= status <= 999:
            self.seen.status = int(status)

    def first_byte(self) -> None:
        """The first byte of the response body is about to be handed to the server."""
        if self.seen.first_byte is None:
            self.seen.first_byte = time.time_ns()

    def failed(self, error: BaseException) -> None:
        """The app raised. The exception goes on to the server untouched."""
        self.seen.error_type = raised.type_of(error)
        self.seen.error_message = raised.message_of(error)
        if self.owned and self.span.is_recording():
            self._stacktrace = raised.stacktrace_of(error)

    def before_last_byte(self) -> None:
        """The last chunk is seen but not yet sent: the last chance to write on a span others end."""
        if self._early is None:
            self.seen.end = time.time_ns()
            self._write_early()
            self.seen.end = 0

    def passed(self) -> None:
        """The last byte was handed to the server; `finish` may come later."""
        self.seen.end = time.time_ns()

    def finish(self, incomplete: str | None = None) -> None:
        """The exchange is over; called again it does nothing.

        Args:
            incomplete: why the record does not show the whole exchange.
        """
        if self._done:
            return
        self._done = True
        seen, tap = self.seen, self._tap
        seen.end = seen.end or time.time_ns()
        if seen.incomplete is None:
            seen.incomplete = incomplete
        if self._early is None or seen.error_type is not None:
            # It broke off, or broke down: the span of others may still be there to write on.
            self._write_early()
        self._current.close()
        held = (
            min(self.request.size, tap.collect_request)
            + min(self.response.size, tap.collect_response)
            + len(seen.path)
            + len(seen.query)
            + len(seen.error_message or "")
            + len(self._stacktrace or "")
        )
        if held > _AT_ONCE:
            tap.finisher.run(self._completion())
        else:
            self._completion()()

    def asked_by(self) -> Identity:
        """Who is behind the request, raw, as far as is known by now."""
        seen, user = self.seen, self.seen.user
        if user is None and not self._done:
            self._completed()
            user = self._tap.identifier.user_named_in(seen.request_headers)
        return Identity(user, None, seen.email, seen.company, seen.session, seen.device)

    def learn(self, tally: Tally) -> None:
        """Note what is secret in the request as far as it was read, for texts that may quote it."""
        self._completed()
        self._tap.pipeline.learn(replace(self.seen, request_body=self.request.collected()), tally)

    # The processor's side, perhaps on another thread --------------------------------------------

    def span_ended(self, span: ReadableSpan) -> bool:
        """The span is over.

        Returns:
            Whether the session is to be parked, because the exchange is not over yet.
        """
        with self._lock:
            self._ended = span
            outcome = self._outcome
        if outcome is not None:
            self._emit(span, outcome)
        return not self._settled

    def settle(self, reason: str = "timeout") -> None:
        """Waiting is over: emit what there is.

        Args:
            reason: what the record is marked incomplete with, if the response never ended.
        """
        with self._lock:
            outcome, ended = self._outcome, self._ended
        if outcome is None:
            self.seen.end = self.seen.end or time.time_ns()
            if not self.response.whole:
                self.seen.incomplete = self.seen.incomplete or reason
            outcome = self._decided()
        self._emit(ended or self._made_span, outcome)

    # What follows runs once, at the end ---------------------------------------------------------

    def _completion(self) -> Callable[[], None]:
        """What is left to do, here or on the finisher's thread."""
        return self._complete

    def _complete(self) -> None:
        outcome = self._final_outcome()
        if self.owned:
            self._write_live(outcome)
        self._complete_with(outcome)

    def _complete_with(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcome = outcome
            ended = self._ended
        if not self.owned and ended is None and self._tap.processor.observes(self.span):
            self._tap.processor.park(self)
            return
        if self.owned:
            self.span.end(end_time=self.seen.end)  # the processor calls `span_ended`
        if not self._settled:  # it ended early, was not recorded, or its end is not told to us
            self._emit(ended or self._made_span, outcome)

    def _final_outcome(self) -> Outcome:
        early = self._early
        if early is None or self.seen.error_type is not None:
            return self._decided()
        if isinstance(early.exchange, Drop):
            return early
        # Decided before the last byte; how it ended is known only now.
        timing = replace(early.exchange.timing, end=self.seen.end)
        exchange = replace(early.exchange, timing=timing, incomplete=self.seen.incomplete)
        return Outcome(exchange, early.tally)

    def _write_early(self) -> None:
        """Decide now and write on the live span, when others will end it and want to see it."""
        if self.captured and not self.owned and self._enriches and self.span.is_recording():
            self._early = self._decided()
            self._write_live(self._early)

    def _decided(self) -> Outcome:
        """Run the policy over what was seen; a failure of ours keeps nothing."""
        tally = Tally()
        try:
            return Outcome(self._dropped() or self._cleaned(tally), tally)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("making an exchange", error)
            return Outcome(Drop("failed"), tally)

    def _dropped(self) -> Drop | None:
        """Why nothing is kept; None when everything that is needed to make the exchange is there."""
        seen, current = self.seen, self._current
        drop: Drop | None = NOT_SELECTED
        if self.captured:
            sampled, unsampled = bool(self.context.trace_flags & _SAMPLED), self._tap.unsampled
            drop = decide(sampled=sampled, unsampled=unsampled, skipped=current.skipped, kept=current.kept)
        drop = drop or self._sampled_out(Known.PLAIN)
        if drop is not None and self._unheard():
            return drop
        self._completed()
        if drop is None and self._tap.selection.late and not self._tap.selection.keeps(seen):
            drop = NOT_SELECTED
        drop = drop or self._sampled_out(Known.DESCRIBED)
        if drop is None:
            seen.request_body = self.request.collected()
            seen.response_body = self.response.collected()
        return drop

    def _unheard(self) -> bool:
        """Whether nobody would see what is written on the span, now that no exchange comes of it."""
        late = self._late
        return not self.span.is_recording() or (
            self.owned and late is not None and late.unseen and self._tap.processor.exchanges_only
        )

    def _sampled_out(self, known: Known) -> Drop | None:
        """Why it is not kept, if sampling leaves it out and that much has to be known to say so."""
        sampler = self._tap.sampler
        if sampler is None:
            return None
        return sampler.judge(self.seen, self.context.trace_id, kept=self._current.kept, known=known)

    def _cleaned(self, tally: Tally) -> Exchange | Drop:
        self._identify()
        self._tap.identifier.fill(self.seen)
        return self._sampled_out(Known.IDENTIFIED) or self._tap.pipeline.run(self.seen, tally)

    def _identify(self) -> None:
        """Ids and service, which only a record needs."""
        seen, context, parent = self.seen, self.context, self._parent
        seen.trace_id = f"{context.trace_id:032x}"
        seen.span_id = f"{context.span_id:016x}"
        seen.sampled = bool(context.trace_flags & _SAMPLED)
        seen.service = self._tap.service
        if parent is not None and parent.is_valid:
            seen.parent_span_id = f"{parent.span_id:016x}"

    def _completed(self) -> None:
        complete = self.complete  # gone once the session has emitted, perhaps on another thread
        if complete is not None:
            complete()
        if self.seen.route is not None:
            # A template of the app's own; but a framework may fill in what it matched.
            self.seen.route = self._tap.pipeline.clean_route(self.seen.route)

    def _write_live(self, outcome: Outcome) -> None:
        span, seen = self.span, self.seen
        if not span.is_recording() or (isinstance(outcome.exchange, Drop) and self._unheard()):
            return
        try:
            exchange = outcome.exchange
            if isinstance(exchange, Exchange) and self._enriches:
                span.set_attributes(full_attributes(exchange, span, self._tap.live_policy))
            elif not self._said_late(exchange):
                span.set_attributes(plain_attributes(exchange, seen))
                if self.owned and isinstance(exchange, Drop) and seen.direction == "inbound":
                    query = self._tap.pipeline.clean_query(seen.query)  # of one we send it is in the URL
                    if query:
                        span.set_attribute(URL_QUERY, query)
            if not self.owned:
                return
            if seen.route:
                span.update_name(f"{self._tap.method_name(seen.method)} {seen.route}")
            if seen.error_type is not None:
                if isinstance(exchange, Drop):
                    self.learn(outcome.tally)  # not kept, so nobody has looked for its secrets
                write_exception(span, seen, self._stacktrace or "", self._tap.pipeline, outcome.tally)
            elif seen.error_status is not None:
                span.set_status(Status(StatusCode.ERROR))
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("writing on a span", error)

    def _said_late(self, exchange: Exchange | Drop) -> bool:
        late, self._late = self._late, None
        return late is not None and isinstance(exchange, Exchange) and late.settle(exchange, self.seen)

    def _emit(self, span: ReadableSpan | Callable[[], ReadableSpan], outcome: Outcome) -> None:
        with self._lock:
            if self._settled:
                return
            self._settled = True
        self.complete = None  # the door knows us, and we it: a cycle that would wait for the collector
        self._current.close()
        tap = self._tap
        tap.processor.forget(self)
        exchange = outcome.exchange
        try:
            if isinstance(exchange, Exchange):
                if exchange.metrics and tap.instruments is not None:
                    tap.instruments.record(exchange)
                tap.processor.emit(span() if callable(span) else span, exchange, outcome.tally)
            elif self.context.trace_flags & _SAMPLED:
                plain = span() if callable(span) else span
                if not self.owned and (plain.events or plain.status.description):
                    self.learn(outcome.tally)  # somebody else's exception, as it is
                tap.processor.emit_plain(plain, outcome.tally)
        finally:
            if self.followers is not None:
                self.followers.release()
            tap.count(exchange)  # now: whoever waits for open requests to end wants them queued

    def _made_span(self) -> ReadableSpan:
        tap = self._tap
        return stand_in(
            self.seen, self.context, self._parent, tap.resource, tap.method_name(self.seen.method)
        )
