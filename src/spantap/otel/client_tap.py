"""What the outbound doors share: it opens a session for a request we send, or says that there is none."""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled, is_instrumentation_enabled
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind

from spantap.capture.limits import CaptureLimits
from spantap.guard import report
from spantap.model import Exchange
from spantap.otel.attach import is_span_of_call
from spantap.otel.client_session import ClientSession, HookedClientSession, Sending
from spantap.otel.current import CURRENT
from spantap.otel.hooks import Hooks
from spantap.otel.inherited import ATTRIBUTES
from spantap.otel.passage import SPAN, Passage, current_context
from spantap.otel.start import Observe, StartAttributes
from spantap.otel.tap import Tap
from spantap.otel.tracing import Tracing
from spantap.policy.decide import Drop
from spantap.policy.hosts import Hosts
from spantap.policy.identify import Identifier, IdentityOptions
from spantap.policy.pipeline import Pipeline
from spantap.policy.select import Selection

_BAGGAGE_ALONE: Final = W3CBaggagePropagator()


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How sessions of requests we send differ from those of requests we answer.

    Attributes:
        limits: bounds of what a session collects.
        hosts: to whom requests are captured.
        hooks: what the app wants to be asked.
        baggage_hosts: who is told, as baggage, who is behind a request.
    """

    limits: CaptureLimits
    hosts: Hosts = field(default_factory=Hosts)
    hooks: Hooks = field(default_factory=Hooks)
    baggage_hosts: Hosts | None = None


class ClientTap:
    """Opens sessions for requests that are sent. Thread-safe; a `Tap` does what is the same for both.

    Attributes: as those of `Tap`.
    """

    hidden_headers: Final = frozenset[str]()
    data_attribute: Final = ""
    data_key: Final = None
    hears_late: Final = False

    def __init__(self, tap: Tap, *, selection: Selection, pipeline: Pipeline, options: ClientOptions) -> None:
        self.selection = selection
        self.pipeline = pipeline
        self.processor = tap.processor
        self.unsampled = tap.unsampled
        self.finisher = tap.finisher
        self.live_policy = tap.live_policy
        self.sampler = tap.sampler
        self.instruments = tap.instruments
        self.hooks = options.hooks
        self.collect_request = options.limits.collect_request
        self.collect_response = options.limits.collect_response
        # Who sends a request is the app itself: its headers name nobody else.
        self.identifier = Identifier(IdentityOptions((), "", "", "", ""))
        self._hosts = options.hosts
        self._baggage_hosts = options.baggage_hosts
        self._session = HookedClientSession if options.hooks else ClientSession
        self._tap = tap
        self.enriches = tap.enriches
        self.method_name = tap.method_name

    @property
    def tracing(self) -> Tracing:
        """What we trace with."""
        return self._tap.tracing

    @property
    def resource(self) -> Resource:
        """What describes the service."""
        return self._tap.resource

    @property
    def service(self) -> str | None:
        """The ``service.name``."""
        return self._tap.service

    def count(self, outcome: Exchange | Drop) -> None:
        """Count what came of a session."""
        self._tap.count_unopened(outcome.reason if isinstance(outcome, Drop) else "captured")

    def open(
        self,
        method: str,
        observe: Observe,
        place: Any,
        *,
        again: bool = False,
        under_contrib: bool = False,
        begun: bool = False,
    ) -> ClientSession | HookedClientSession | Passage | None:
        """What a request that is about to be sent needs from us.

        Args:
            method: its method.
            observe: tells what else is known of it, from `place` and the time it begins; not called when
                nobody wants to know.
            place: the client's own request.
            again: it was sent before: a retry, a redirect.
            under_contrib: the client is instrumented by OpenTelemetry's own instrumentation as well, which
                suppresses others beneath it.
            begun: the current span is known to be the one OpenTelemetry's instrumentation began for it.

        Returns:
            A session; a mere `Passage`, when nothing is to be kept of it; None when nothing is to be done
            with it at all, or when opening failed, which is reported and counted.
        """
        try:
            return self._opened(method, observe, place, again, under_contrib, begun)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("opening a request that is sent", error)
            self._tap.count_unopened("failed")
            return None

    def inject(self, passage: Passage, carrier: MutableMapping[str, str], host: str | None) -> None:
        """Write the trace context of a request on its headers.

        Args:
            passage: what `open` gave.
            carrier: the headers; are changed.
            host: whom it is sent to.
        """
        context, hosts = passage.carried, self._baggage_hosts
        told = self._told() if hosts is not None and host is not None and hosts.wants(host) else {}
        if context is not None:
            propagate.inject(carrier, _with(told, context))
        elif told:
            _BAGGAGE_ALONE.inject(carrier, _with(told, current_context()))

    def _opened(
        self, method: str, observe: Observe, place: Any, again: bool, under_contrib: bool, begun: bool
    ) -> ClientSession | HookedClientSession | Passage | None:
        context = current_context()
        if context and not is_instrumentation_enabled():  # in an empty one nothing is suppressed
            return None
        attributes = StartAttributes(observe, place, time.time_ns(), self.pipeline)
        current = trace.get_current_span(context)
        parent = current.get_span_context()
        if current.is_recording():
            if begun or self._is_of(current, attributes):
                return self._joined(current, attributes)
            # What we have begun for the first of several attempts is around the others, too.
            ours = isinstance(self.processor.sessions.get(parent.span_id), Sending)
            suppressed = not ours and not is_http_instrumentation_enabled()
        else:
            suppressed = bool(context) and not is_http_instrumentation_enabled()
            beneath = begun or (suppressed and under_contrib)
            if beneath and parent.is_valid and not parent.is_remote:
                if not again:
                    return self._joined_unsampled(current, attributes)
                suppressed = False
            elif suppressed and under_contrib and SPAN in context and not parent.is_valid:
                suppressed = False  # what they began is no span: there was no provider yet, ours comes now
        if suppressed:
            return None
        valid = parent if parent.is_valid else None
        span = self._tap.started(method, context, valid, attributes, SpanKind.CLIENT)
        if span is None:
            return None
        inside = Context({**context, SPAN: span})
        recorded = type(span) is not NonRecordingSpan and span.is_recording()
        if not recorded and self._tap.passes_over(span):
            self._tap.count_unopened("unsampled")
            return Passage(inside)
        seen = attributes.seen
        captured = self._wants(attributes)
        if not (recorded or captured):
            self._tap.count_unopened("not_selected")
            return Passage(inside)
        session = self._session(self, seen, span, owned=True, captured=captured, parent=valid, context=inside)
        self.processor.remember(session)
        return session

    def _is_of(self, span: Span, attributes: StartAttributes) -> bool:
        if getattr(span, "kind", None) is not SpanKind.CLIENT:
            return False
        seen = attributes.seen
        return is_span_of_call(span, seen.method, seen.server_address, self.processor.sessions)

    def _joined(self, span: Span, attributes: StartAttributes) -> ClientSession | HookedClientSession | None:
        """A session that writes on the span somebody else has begun for the request."""
        if not self._wants(attributes):
            return None
        parent = getattr(span, "parent", None)
        session = self._session(self, attributes.seen, span, owned=False, captured=True, parent=parent)
        self.processor.remember(session)
        return session

    def _joined_unsampled(
        self, span: Span, attributes: StartAttributes
    ) -> ClientSession | HookedClientSession | None:
        """The same for a span that is not recorded: the exchange has its ids."""
        if self._tap.passes_over(span) or not self._wants(attributes):
            return None
        return self._session(self, attributes.seen, span, owned=False, captured=True)

    def _wants(self, attributes: StartAttributes) -> bool:
        seen = attributes.seen
        return self._hosts.wants(seen.server_address) and self.selection.wants_request(seen)

    def _told(self) -> Mapping[str, str]:
        """Who is behind the request that we are answering, as baggage; hashed where it is to be."""
        owner = CURRENT.get().owner
        if owner is None:
            return {}
        identity = self.pipeline.clean_identity(owner.asked_by())
        found = {name: getattr(identity, part) for part, name in ATTRIBUTES.items()}
        return {name: value for name, value in found.items() if value is not None}


def _with(told: Mapping[str, str], context: Context) -> Context:
    for name, value in told.items():
        context = baggage.set_baggage(name, value, context)
    return context
