"""The clean copy of an ended span: what our destinations get instead of the span itself.

The instrumentations beneath us write URLs, headers and exceptions on spans as they are; a
span may be shared with other people's processors, so it is copied, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.semconv.attributes.user_agent_attributes import USER_AGENT_ORIGINAL
from opentelemetry.trace import Link, SpanContext, TraceState
from opentelemetry.trace.status import Status

from spantap.capture import raised
from spantap.codec import names
from spantap.codec.attributes import encode
from spantap.model import Exchange
from spantap.otel.exporter import CleanEvent, CleanLink, CleanSpan, ExchangeAttributes, ExchangeSpan
from spantap.otel.late import late_attributes
from spantap.otel.starting import RequestSpan
from spantap.otel.who import who_hidden
from spantap.policy.redact import MASK, Redactor, Tally

Copy = TypeVar("Copy", bound=CleanSpan)

# Written by the HTTP instrumentations, old and stable conventions.
_URLS: Final = frozenset({"url.full", "http.url", "http.target"})
_PATHS: Final = frozenset({"url.path", "http.route"})
_MESSAGE: Final = "exception.message"
_RAISED: Final = frozenset({_MESSAGE, "exception.stacktrace"})
_QUERIES: Final = frozenset({"url.query"})
_MAY_HOLD_CODE: Final = _URLS | _QUERIES
_HEADERS: Final = (names.HTTP_REQUEST_HEADER, names.HTTP_RESPONSE_HEADER)
# Semantic conventions whose names sound sensitive and whose values are not.
_VISIBLE: Final = frozenset({"session.id", "mcp.session.id", "aws.secretsmanager.secret.arn"})


class SpanCleaner:
    """Makes clean copies. Immutable, thread-safe."""

    __slots__ = ("_redactor", "_resource")

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._resource: tuple[Resource, Resource] | None = None

    def copy(self, span: ReadableSpan, tally: Tally | None = None) -> ReadableSpan:
        """A span of somebody else's, cleaned; the span itself when it holds nothing to clean.

        Args:
            span: the span, ended.
            tally: knows secrets of the requests it belongs to.
        """
        attributes, tally = span.attributes or {}, tally or Tally()
        hidden = who_hidden(span.kind, attributes, self._redactor, tally)
        if not hidden and self._is_clean(span, attributes, tally):
            return span
        attributes = _without(self._attributes(attributes, tally), hidden)
        return self._cleaned(CleanSpan, span, attributes, tally)

    def copy_with(self, span: ReadableSpan, exchange: Exchange, tally: Tally) -> ExchangeSpan:
        """The span that carries an exchange: its attributes cleaned, the exchange's put over them."""
        theirs = late_attributes(span)
        if theirs is None:
            # What the exchange says itself need not be cleaned first. Of somebody else's headers none
            # stays: contrib writes `x_api_key`, the conventions and we `x-api-key`.
            encoded = encode(exchange)
            theirs = {
                name: value
                for name, value in (span.attributes or {}).items()
                if name not in encoded and not name.startswith(_HEADERS)
            }
        elif type(span) is RequestSpan and span.nothing_listed and _says_no_more(span, exchange):
            return self._stamped(span, exchange, theirs, tally)
        hidden = who_hidden(span.kind, theirs, self._redactor, tally)
        events, links = span.events, span.links  # the SDK makes new tuples of them each time
        more = events or links or not _says_no_more(span, exchange) or not _only_the_agent(theirs, exchange)
        if more and not self._is_clean(span, theirs, tally):
            theirs = _without(self._attributes(theirs, tally), hidden)
            copy = self._cleaned(ExchangeSpan, span, ExchangeAttributes(exchange, theirs), tally)
        else:
            theirs = _without(theirs, hidden)
            copy = _copied(
                ExchangeSpan,
                span,
                ExchangeAttributes(exchange, theirs),
                events,
                links,
                context=self._context(span.context, tally),
                resource=self._resource_of(span),
            )
        copy.exchange, copy.others = exchange, theirs
        return copy

    def _stamped(
        self, span: RequestSpan, exchange: Exchange, theirs: Mapping[str, Any], tally: Tally
    ) -> ExchangeSpan:
        """The copy of a span of ours on which nobody has written: all it says comes from its exchange."""
        theirs = _without(theirs, who_hidden(span.kind, theirs, self._redactor, tally))
        copy: ExchangeSpan = object.__new__(ExchangeSpan)
        parts = vars(copy)
        parts.update(vars(span))
        parts["_attributes"] = ExchangeAttributes(exchange, theirs)
        parts["_events"] = parts["_links"] = ()
        parts["_context"] = self._context(span.context, tally)
        parts["_resource"] = self._resource_of(span)
        copy.exchange, copy.others = exchange, theirs
        return copy

    def name(self, name: str, tally: Tally) -> str:
        """A span or event name without secrets."""
        return self._redactor.text(name if "?" not in name else self._redactor.url(name, tally), tally)

    def events(self, events: Sequence[Event], tally: Tally) -> Sequence[Event]:
        """Events with clean names and attributes."""
        copies = []
        for event in events:
            attributes = self._attributes(event.attributes or {}, tally)
            copy = CleanEvent(self.name(event.name, tally), attributes, event.timestamp)
            copy.attributes_lost = event.dropped_attributes
            copies.append(copy)
        return copies

    def links(self, links: Sequence[Link], tally: Tally) -> Sequence[Link]:
        """Links with clean attributes."""
        copies = []
        for link in links:
            context = self._context(link.context, tally)
            copy = CleanLink(context, self._attributes(link.attributes or {}, tally))
            copy.attributes_lost = link.dropped_attributes
            copies.append(copy)
        return copies

    def status(self, status: Status, tally: Tally) -> Status:
        """A status with a clean description."""
        if not status.description:
            return status
        if self._redactor.allows:
            return Status(status.status_code, MASK)
        return Status(status.status_code, self._redactor.text(status.description, tally))

    def _cleaned(
        self, kind: type[Copy], span: ReadableSpan, attributes: Mapping[str, Any], tally: Tally
    ) -> Copy:
        """A copy with these attributes, which are clean, and the rest cleaned."""
        return _copied(
            kind,
            span,
            attributes,
            self.events(span.events, tally),
            self.links(span.links, tally),
            self.name(span.name, tally),
            self.status(span.status, tally),
            self._context(span.context, tally),
            self._resource_of(span),
        )

    def _context(self, context: SpanContext, tally: Tally) -> SpanContext:
        """Ids and flags as they are; the trace state, which is the client's, without secrets."""
        told = _trace_state(context)
        if not told or self._redactor.untouched(told, tally):
            return context
        # A trace state may have `[REDACTED]` for a value.
        state = {key: str(self._value(key, value, tally)) for key, value in context.trace_state.items()}
        return SpanContext(
            context.trace_id,
            context.span_id,
            context.is_remote,
            context.trace_flags,
            TraceState(list(state.items())),
        )

    def _resource_of(self, span: ReadableSpan) -> Resource:
        """What describes the service, without secrets; a process has one, so the last is remembered."""
        resource, last = span.resource, self._resource
        if last is None or last[0] is not resource:
            attributes = self._attributes(resource.attributes, Tally())
            same = attributes == dict(resource.attributes)
            last = resource, resource if same else Resource(attributes, resource.schema_url)
            self._resource = last
        return last[1]

    def _is_clean(self, span: ReadableSpan, attributes: Mapping[str, Any], tally: Tally) -> bool:
        """Whether one look at everything a span holds, with these attributes, finds nothing to clean."""
        if self._resource_of(span) is not span.resource:
            return False
        texts = [span.name, span.status.description or ""]
        held = [attributes]
        for context in (span.context, *(link.context for link in span.links)):
            texts += _trace_state(context)
        for event in span.events:
            texts.append(event.name)
            held.append(event.attributes or {})
        held += [link.attributes or {} for link in span.links]
        for each in held:
            texts += each
            for name, value in each.items():
                if name.startswith(_HEADERS):
                    return False
                if isinstance(value, str):
                    if name in _MAY_HOLD_CODE and "code" in value:
                        return False  # of OAuth, perhaps: no other rule asks for the names beside it
                    texts.append(value)
                elif isinstance(value, Sequence):
                    texts += [item for item in value if isinstance(item, str)]
        return self._redactor.untouched(texts, tally)

    def _attributes(self, attributes: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
        return {
            self._redactor.text(name, tally): self._value(name, value, tally)
            for name, value in attributes.items()
        }

    def _value(self, name: str, value: Any, tally: Tally) -> Any:
        if name.startswith(_HEADERS):
            field = name.rsplit(".", 1)[1].replace("_", "-")
            values = [value] if isinstance(value, str) else list(value)
            return tuple(
                clean for _, clean in self._redactor.header_pairs([(field, str(v)) for v in values], tally)
            )
        if name not in _VISIBLE and self._redactor.names_secret(name):
            tally.add("key", value)
            return MASK
        if isinstance(value, str):
            return self._text(name, value, tally)
        if isinstance(value, Sequence) and not isinstance(value, bytes):
            return tuple(
                self._redactor.text(each, tally) if isinstance(each, str) else each for each in value
            )
        return value

    def _text(self, name: str, value: str, tally: Tally) -> str:
        redactor = self._redactor
        if redactor.allows and name in _RAISED:
            return MASK if name == _MESSAGE else raised.places_of(value)
        if name in _PATHS:
            return redactor.path(value, tally)
        if name in _QUERIES:
            return redactor.query(value, tally)
        if name in _URLS:
            return redactor.text(redactor.url(value, tally), tally)  # its host may be a secret, too
        return redactor.text(value, tally)


def _without(attributes: Mapping[str, Any], hidden: Mapping[str, Any]) -> Mapping[str, Any]:
    """Attributes with others instead of some, which are clean."""
    if not hidden:
        return attributes
    return {name: value for name, value in {**attributes, **hidden}.items() if value is not None}


def _trace_state(context: SpanContext | None) -> list[str]:
    if context is None or not context.trace_state:
        return []
    return [f"{key}={value}" for key, value in context.trace_state.items()]


def _says_no_more(span: ReadableSpan, exchange: Exchange) -> bool:
    """Whether name and status of a span are what its exchange, which is clean, says as well."""
    method = exchange.request.method
    return span.name in (method, f"{method} {exchange.route}") and not span.status.description


def _only_the_agent(theirs: Mapping[str, Any], exchange: Exchange) -> bool:
    """Whether attributes say nothing but the user agent, and that as the exchange does."""
    agent = (theirs.get(USER_AGENT_ORIGINAL),)
    return not theirs or (len(theirs) == 1 and exchange.request.headers.get("user-agent") == agent)


def _copied(
    kind: type[Copy],
    span: ReadableSpan,
    attributes: Mapping[str, Any],
    events: Sequence[Event],
    links: Sequence[Link],
    name: str | None = None,
    status: Status | None = None,
    context: SpanContext | None = None,
    resource: Resource | None = None,
) -> Copy:
    """A copy with these parts; the rest is taken as it is."""
    copy = kind(
        name=name or span.name,
        context=context or span.get_span_context(),
        parent=span.parent,
        resource=resource or span.resource,
        attributes=attributes,
        events=events,
        links=links,
        kind=span.kind,
        status=status or span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
    copy.lost_as(span)
    return copy
