"""What the doors share: it opens a session for a request, or says that there is none."""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

from spantap.capture.limits import CaptureLimits
from spantap.codec.attributes import KNOWN_METHODS
from spantap.guard import logger, report
from spantap.model import Exchange, Observation
from spantap.otel.anew import made_anew
from spantap.otel.attach import is_span_of
from spantap.otel.budget import Budget
from spantap.otel.current import CURRENT, NOBODY
from spantap.otel.faas import is_frozen_between_requests
from spantap.otel.finisher import Finisher
from spantap.otel.hooked import HookedSession
from spantap.otel.hooks import Hooks
from spantap.otel.inherited import IDENTIFYING, OVERRULING, allowed
from spantap.otel.instruments import Instruments
from spantap.otel.last_delivery import deliver_at_child_end, finish
from spantap.otel.passage import SPAN, Passage, PassageWithCurrent, current_context
from spantap.otel.processor import CaptureProcessor
from spantap.otel.session import Session
from spantap.otel.start import Observe, StartAttributes
from spantap.otel.tracing import Tracing, bind
from spantap.policy.decide import Drop, Unsampled
from spantap.policy.destination import DestinationPolicy
from spantap.policy.identify import Identifier, IdentityOptions
from spantap.policy.pipeline import Pipeline
from spantap.policy.sample import Judges
from spantap.policy.select import Selection

_SAMPLED: Final = TraceFlags.SAMPLED


_LITTLE: Final = 0.25  # seconds


@dataclass(frozen=True, slots=True)
class TapOptions:
    """How sessions behave.

    Attributes:
        limits: bounds of what a session collects.
        unsampled: what happens to exchanges of traces that are not sampled.
        live_bodies: on a tracer provider of the app's own, write the clean exchange on the
            live span too, so that the app's exporters see it.
        tracer_provider: use this one instead of the global one.
        identity: where to look for who is behind a request.
        hide_identity_headers: keep response headers that name somebody from the client.
        data_attribute: the attribute of a framework's request that holds facts of the app's own.
        data_key: the key of an answer that holds facts of the app's own, and is taken out of it.
        record_metrics: record the app's own numbers as OpenTelemetry metrics, too.
        hooks: what the app wants to be asked.
        live_policy: what of an exchange may be written on a live span that others export.
        faas_flush_timeout: seconds a request waits for delivery where the process is frozen after it.
        sampler: decides which exchanges are kept; None: all are.
        trace_sampler: decides which traces are sampled, on a tracer provider of ours.
    """

    limits: CaptureLimits
    unsampled: Unsampled = "own"
    live_bodies: bool = True
    tracer_provider: trace.TracerProvider | None = None
    identity: IdentityOptions = field(default_factory=IdentityOptions)
    hide_identity_headers: bool = False
    data_attribute: str = "spantap_metrics"
    data_key: str | None = None
    record_metrics: bool = False
    hooks: Hooks = field(default_factory=Hooks)
    live_policy: DestinationPolicy | None = None
    faas_flush_timeout: float = 2.0
    sampler: Judges | None = None
    trace_sampler: Sampler | None = None


class Tap:
    """Opens sessions. Thread-safe; nothing is started before the first one of a process.

    Attributes:
        pipeline, processor, unsampled, finisher: what sessions work with.
        collect_request, collect_response: bytes of a body a session holds at most.
        selection: which requests are captured.
        identifier: finds who is behind a request.
        hidden_headers: lower-case names of response headers that are kept from the client.
        data_attribute, data_key, hooks, live_policy, sampler: see `TapOptions`.
        instruments: what the app's own numbers are recorded with, too; None: nothing.
        hears_late: who is behind a request is known only when it is over: hooks say it.
        freezes: the process may be frozen when a request ends: its door calls `flush_before_freeze`.
        tracing: what we trace with; bound to the provider in force when first asked for.
    """

    tracing: Tracing

    def __init__(
        self,
        *,
        selection: Selection,
        pipeline: Pipeline,
        processor: CaptureProcessor,
        budget: Budget,
        options: TapOptions,
    ) -> None:
        self.selection = selection
        self.pipeline = pipeline
        self.processor = processor
        self.collect_request = options.limits.collect_request
        self.collect_response = options.limits.collect_response
        self.unsampled = options.unsampled
        self.finisher = Finisher()
        self.identifier = Identifier(options.identity)
        self.hidden_headers = (
            self.identifier.response_headers if options.hide_identity_headers else frozenset()
        )
        self.data_attribute = options.data_attribute
        self.data_key = options.data_key
        self.instruments = Instruments() if options.record_metrics else None
        self.hooks = options.hooks
        self.live_policy = options.live_policy
        self.sampler = options.sampler
        self.hears_late = options.hooks.any_of(IDENTIFYING)
        self._session = HookedSession if options.hooks else Session
        self._options = options
        self._budget = budget
        self._counts: Counter[str] = Counter()
        self._open, self._serving = 0, False
        # Reentrant: a signal handler that ends the process may come in the middle of our own work.
        self._count_lock = threading.RLock()
        self._bind_lock = threading.RLock()
        self._gave_up = 0.0
        self.freezes = False  # known with the provider
        processor.finish = lambda timeout: finish(self, timeout)
        if allowed(self.live_policy) and not options.hooks.any_of(OVERRULING):
            processor.identity = pipeline.clean_identity
        _taps.add(self)

    def enriches(self, span: Span, *, owned: bool) -> bool:
        """Whether an exchange is written on its live span, because others than we export it."""
        if not self._options.live_bodies:
            return False
        return not self.tracing.own or not (owned or self.processor.observes(span))

    def __getattr__(self, name: str) -> Any:
        """`tracing`, when it is first asked for; from then on it is an attribute like any other."""
        if name != "tracing":
            raise AttributeError(name, name=name, obj=self)
        with self._bind_lock:
            if self.bound:
                return self.tracing
            options = self._options
            return self._bind(bind(self.processor, options.tracer_provider, options.trace_sampler))

    def adopt(self, provider: trace.TracerProvider, *, own: bool) -> None:
        """Bind to this provider now, unless a request was faster.

        Args:
            provider: gets our processor.
            own: it exports nothing by itself, so that all export is ours.
        """
        with self._bind_lock:
            if not self.bound:
                self._bind(replace(bind(self.processor, provider), own=own))

    def _bind(self, tracing: Tracing) -> Tracing:
        if not tracing.own:
            tracing = replace(tracing, starter=None)  # its spans are for others as well
            self.processor.leave_spans_to_the_app()
            if self._options.trace_sampler is not None:
                logger.warning(
                    "TRACE_SAMPLER has no effect: the tracer provider is the app's, and so its sampler"
                )
        logger.debug("tracing with a provider of %s", "spantap's own" if tracing.own else "the app's")
        self.freezes = self._options.faas_flush_timeout > 0 and is_frozen_between_requests(tracing.resource)
        self.tracing = tracing
        return tracing

    @property
    def bound(self) -> bool:
        """Whether a request has been seen, so that the provider is settled."""
        return "tracing" in vars(self)

    @property
    def resource(self) -> Resource:
        """What describes the service."""
        return self.tracing.resource

    @property
    def service(self) -> str | None:
        """The ``service.name``."""
        return self.tracing.service

    def open(
        self, method: str, observe: Observe, place: Any, getter: Getter[Any], *, propagated: bool
    ) -> Passage | None:
        """What a request that has just arrived needs from us.

        Args:
            method: its method.
            observe: tells what else is known of it, from its place and the time it began; not called
                when nobody wants to know.
            place: its scope or environ.
            getter: reads its trace context from there.
            propagated: there may be one.

        Returns:
            A `Session`; a mere `Passage` when nothing is to be kept of it; None when nothing is to
            be done with it at all, or when opening failed, which is reported and counted.
        """
        try:
            return self._opened(method, observe, place, getter, propagated)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("opening a request", error)
            self.count_unopened("failed")
            return None

    def _opened(
        self, method: str, observe: Observe, place: Any, getter: Getter[Any], propagated: bool
    ) -> Passage | None:
        attributes = StartAttributes(observe, place, time.time_ns(), self.pipeline)
        context = current_context()
        parent = None
        if context:  # mostly there is nothing around a request
            if not is_http_instrumentation_enabled():
                return None
            current = trace.get_current_span(context)
            if current.is_recording() and self._is_of(current, attributes.seen):
                return self._joined(current, attributes.seen)
        if propagated:
            context = propagate.extract(place, context=context, getter=getter)
        if context:
            parent = trace.get_current_span(context).get_span_context()
            parent = parent if parent.is_valid else None
        span = self.started(method, context, parent, attributes)
        if span is None:
            return None
        inside = Context({**context, SPAN: span})
        if type(span) is NonRecordingSpan or not span.is_recording():
            reason = self._why_unrecorded(span, attributes)
            if reason is not None:
                self.count_unopened(reason)
                return Passage(inside) if CURRENT.get() is NOBODY else PassageWithCurrent(inside)
        seen = attributes.seen
        captured = self.selection.wants_request(seen)
        return self._begun(
            self._session(self, seen, span, owned=True, captured=captured, parent=parent, context=inside)
        )

    def started(
        self,
        method: str,
        context: Context,
        parent: SpanContext | None,
        attributes: StartAttributes,
        kind: SpanKind = SpanKind.SERVER,
    ) -> Span | None:
        """A span of ours; None when tracing is switched off."""
        tracing = self.tracing
        starter = tracing.starter
        if starter is None or not self.processor.alone(tracing.provider):
            span = tracing.tracer.start_span(
                self.method_name(method), context, kind, attributes, start_time=attributes.start
            )
            return span if span.get_span_context().is_valid else None
        made, sampled = starter.context(parent)
        if made is None:
            return None
        if not sampled:
            return NonRecordingSpan(made)
        return starter.recorded(self.method_name(method), made, parent, attributes, kind)

    def _is_of(self, span: Span, seen: Observation) -> bool:
        return is_span_of(span, seen.method, seen.path, seen.client_port, self.processor.sessions)

    def _joined(self, span: Span, seen: Observation) -> Passage:
        """A session that writes on the span somebody else has begun for the request; or nothing of it."""
        if not self.selection.wants_request(seen):
            self.count_unopened("not_selected")
            return Passage(None)  # to be met by one door alone
        parent = getattr(span, "parent", None)
        return self._begun(self._session(self, seen, span, owned=False, captured=True, parent=parent))

    def _why_unrecorded(self, span: Span, attributes: StartAttributes) -> str | None:
        """Why nothing is kept of a request whose span is not recorded; None when something is."""
        if self.passes_over(span):
            return "unsampled"
        seen = attributes.seen
        return None if self.selection.wants_request(seen) else "not_selected"

    def passes_over(self, span: Span) -> bool:
        """Whether nobody wants the exchange of a span that is not recorded."""
        return not self.processor.takes_unsampled and not span.get_span_context().trace_flags & _SAMPLED

    def _begun(self, session: Session) -> Session:
        with self._count_lock:
            self._open += 1
            first, self._serving = not self._serving, True
        if first:
            deliver_at_child_end(self)
        self.processor.remember(session)
        return session

    def count_unopened(self, reason: str) -> None:
        """Count a request of which nothing is kept."""
        with self._count_lock:
            self._counts[reason] += 1

    def method_name(self, method: str) -> str:
        """The method as it stands in a span name: known ones only, else ``HTTP``."""
        return method if method in KNOWN_METHODS else "HTTP"

    def count(self, outcome: Exchange | Drop) -> None:
        """Count what came of a session."""
        with self._count_lock:
            self._open -= 1
            self._counts[outcome.reason if isinstance(outcome, Drop) else "captured"] += 1

    def wait_for_open(self, timeout: float) -> None:
        """Let requests that are just ending end.

        A client has its answer before the server calls ``close()`` on the response; a process
        that ends in between would lose the record of what it has answered.
        """
        deadline = time.monotonic() + timeout
        while self._open > 0 and time.monotonic() < deadline:
            time.sleep(0.005)

    @property
    def counts(self) -> Mapping[str, int]:
        """``captured`` exchanges, and exchanges not kept by reason, since the process began."""
        with self._count_lock:
            return dict(self._counts)

    def flush(self, timeout: float) -> bool:
        """Finish and send everything up to now; False when the timeout (seconds) came first."""
        deadline = time.monotonic() + timeout
        finished = self.finished(timeout)
        done = self.processor.flush(max(0.0, deadline - time.monotonic())) and finished
        self._gave_up = 0.0 if done else time.monotonic()
        return done

    def flush_before_freeze(self) -> None:
        """Send everything, within the bound; hardly waits for who did not take it just now. Never raises."""
        try:
            bound = self._options.faas_flush_timeout
            self.flush(min(bound, _LITTLE) if self.gave_up_lately else bound)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("flushing at the end of a request", error)

    def finished(self, timeout: float) -> bool:
        """Wait for what is being finished: large bodies, hooks that are awaited."""
        deadline = time.monotonic() + timeout
        drained = self.finisher.drain(timeout)
        return self.hooks.drain(max(0.0, deadline - time.monotonic())) and drained

    @property
    def gave_up_lately(self) -> bool:
        """Whether a flush has just ended without delivering everything: waiting again is no use."""
        return self._gave_up > 0 and time.monotonic() - self._gave_up < 30

    def shutdown(self, timeout: float) -> bool:
        """Finish and send everything, then stop; False when something was lost to the timeout."""
        deadline = time.monotonic() + timeout
        finished = self.finished(timeout)
        return self.processor.stop(max(0.0, deadline - time.monotonic())) and finished

    def reset_after_fork(self) -> None:
        """In the child: the parent's requests, threads and charges stay with the parent."""
        self.finisher.reset_after_fork()
        self.processor.reset_after_fork()
        self._budget.reset_after_fork()
        self._bind_lock = threading.RLock()
        self._count_lock = threading.RLock()
        self._open, self._serving = 0, False
        self._counts.clear()


_taps: weakref.WeakSet[Tap] = weakref.WeakSet()


def _reset_taps() -> None:
    for tap in list(_taps):
        tap.reset_after_fork()


made_anew(_reset_taps)
