"""Destinations of spans under a policy: what they do not get of an exchange leaves its span.

The span itself goes there all the same, or the trace would have a hole: without the record if the
policy leaves the exchange out, else without what says what fields that are left out say. Its ids,
times and links stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace.status import Status

from spantap.guard import report
from spantap.model import Exchange
from spantap.otel.exporter import CleanSpan, ExchangeAttributes, ExchangeSpan
from spantap.otel.inherited import ATTRIBUTES, allowed
from spantap.otel.live import plain_of
from spantap.otel.retry import Delivery
from spantap.policy.destination import DestinationPolicy

# What attribute names begin with -> the fields of which each is needed for them to stay; the old
# conventions, too, that other instrumentations may write.
_SAYS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "url.full": "host_url path query",
        "http.url": "host_url path query",
        "http.target": "path query",
        "url.path": "path",
        "url.query": "query",
        "url.scheme": "host_url",
        "http.scheme": "host_url",
        "http.host": "host_url",
        "http.server_name": "host_url",
        "server.": "host_url",
        "net.host.": "host_url",
        "http.request.method": "method",
        "http.method": "method",
        "http.route": "route",
        "http.response.status_code": "status",
        "http.status_code": "status",
        "http.request.body.size": "request_size",
        "http.request_content_length": "request_size",
        "http.response.body.size": "response_size",
        "http.response_content_length": "response_size",
        "user_agent.": "user_agent",
        "http.user_agent": "user_agent",
        "client.": "remote_address",
        "network.peer.": "remote_address",
        "net.peer.": "remote_address",
        "net.sock.peer.": "remote_address",
        "http.client_ip": "remote_address",
        "network.protocol.": "http_version",
        "http.flavor": "http_version",
        "user.": "identity",
        "enduser.": "identity",
        "session.": "identity",
        "error.": "exception",
        "exception.": "exception",
    }.items()
}
_IDENTITY: Final = frozenset(ATTRIBUTES.values())
_BEGINNINGS: Final = tuple(_SAYS)


class UnderPolicy:
    """A delivery that gets spans as its policy has them."""

    def __init__(self, open_delivery: Callable[[], Delivery], policy: DestinationPolicy) -> None:
        """Args:
        open_delivery: makes what sends them.
        policy: which exchanges, and which fields of them.
        """
        self._delivery = open_delivery()
        self._policy = policy

    def deliver(self, spans: Sequence[ReadableSpan]) -> Mapping[str, int]:
        """Send one batch."""
        return self._delivery.deliver([governed(span, self._policy) for span in spans])

    def close(self) -> None:
        """Close what sends them."""
        self._delivery.close()

    def interrupt(self) -> None:
        """Interrupt what sends them."""
        self._delivery.interrupt()


def takes(policy: DestinationPolicy, exchange: Exchange) -> bool | None:
    """Whether a policy takes an exchange; None when it fails, which is reported."""
    try:
        return bool(policy.takes(exchange))
    except Exception as error:  # noqa: BLE001 - it may be somebody's subclass
        report("asking the policy of a destination", error)
        return None


def governed(span: ReadableSpan, policy: DestinationPolicy) -> ReadableSpan:
    """The span as its destination gets it; the same when there is no difference."""
    if not isinstance(span, ExchangeSpan):
        return span if allowed(policy) else _without_identity(span)
    taken = takes(policy, span.exchange)
    exchange = policy.reduced(span.exchange)
    if taken and exchange is span.exchange:
        return span
    kept = None if policy.kept is None else frozenset(policy.kept)
    others = span.others if kept is None else _others(span.others, kept)
    copy = _copied(span, exchange, others, kept, taken=bool(taken))
    copy.lost_as(span)
    return copy


def _copied(
    span: ExchangeSpan, exchange: Exchange, others: Mapping[str, Any], kept: Set[str] | None, *, taken: bool
) -> CleanSpan:
    silent = kept is not None and "exception" not in kept
    method, route = exchange.request.method, exchange.route
    attributes = ExchangeAttributes(exchange, others) if taken else plain_of(exchange, others)
    copy = (ExchangeSpan if taken else CleanSpan)(
        name=span.name if kept is None else " ".join(filter(None, (method or "HTTP", route))),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=[each for each in span.events if not (silent and each.name == "exception")],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code) if silent else span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
    if isinstance(copy, ExchangeSpan):
        copy.exchange, copy.others = exchange, others
    return copy


def _without_identity(span: ReadableSpan) -> ReadableSpan:
    """A span beneath an exchange's, which says who that was."""
    attributes = span.attributes or {}
    if attributes.keys().isdisjoint(_IDENTITY):
        return span
    copy = CleanSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes={name: value for name, value in attributes.items() if name not in _IDENTITY},
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
    copy.lost_as(span)
    return copy


def _others(others: Mapping[str, Any], kept: Set[str]) -> Mapping[str, Any]:
    return {name: value for name, value in others.items() if _stays(name, kept)}


def _stays(name: str, kept: Set[str]) -> bool:
    if not name.startswith(_BEGINNINGS):
        return True
    return all(fields <= kept for beginning, fields in _SAYS.items() if name.startswith(beginning))
