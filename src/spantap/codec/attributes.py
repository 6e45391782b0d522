"""`Exchange` <-> span attributes: the one codec between capture and OpenTelemetry.

`encode` and `decode` are inverse for canonical exchanges within the limits. Names follow the
stable HTTP semantic conventions, then the development ones, then ``spantap.*`` (`names`).
What the span itself carries (ids, times, kind, resource) is not repeated as an attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from opentelemetry.semconv.attributes import (
    client_attributes as client_names,
)
from opentelemetry.semconv.attributes import (
    error_attributes as error_names,
)
from opentelemetry.semconv.attributes import (
    http_attributes as http_names,
)
from opentelemetry.semconv.attributes import (
    network_attributes as network_names,
)
from opentelemetry.semconv.attributes import (
    server_attributes as server_names,
)
from opentelemetry.semconv.attributes import (
    url_attributes as url_names,
)

from spantap.codec import names
from spantap.model import Body, Error, Exchange, Headers, Identity, Peer, Request, Response, Timing
from spantap.model.exchange import Direction

Value = str | bool | int | float | bytes | Sequence[str]

VERSION: Final = 1

# RFC 9110, RFC 5789 and RFC 10008; anything else is `_OTHER` with the original beside it.
KNOWN_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}
)


@dataclass(frozen=True, slots=True)
class AttributeLimits:
    """The span limits in force.

    Attributes:
        count: attributes a span may have; the SDK drops the *oldest* beyond it. None: no limit.
        value_length: characters a string value may have. None: no limit.
    """

    count: int | None = 128
    value_length: int | None = None


NO_LIMITS: Final = AttributeLimits(None, None)


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """What a span carries besides its attributes."""

    trace_id: str
    span_id: str
    start: int
    end: int
    parent_span_id: str | None = None
    direction: Direction = "inbound"
    service: str | None = None
    sampled: bool = True


def encode(exchange: Exchange, limits: AttributeLimits = NO_LIMITS) -> dict[str, Value]:
    """The attributes of an exchange, the most important last (the SDK evicts from the front).

    Args:
        exchange: a clean exchange.
        limits: the span limits in force. Headers go first when there is no room, then custom
            data; method, path, status and route always stay, and what went is counted in
            ``spantap.*.headers.dropped`` and ``spantap.attributes.dropped``.

    Returns:
        A new dict of attribute values, valid for the SDK and for OTLP.
    """
    if limits.value_length is not None:
        exchange = _shortened(exchange, limits.value_length)
    core, extra = _core(exchange), _extra(exchange)
    request = _headers(exchange.request.headers, names.HTTP_REQUEST_HEADER)
    response = _headers(exchange.response.headers, names.HTTP_RESPONSE_HEADER)
    lost = _Lost(exchange.request.headers_dropped, exchange.response.headers_dropped)
    flags = lost.flags()
    if limits.count is not None:
        wanted = len(request) + len(response) + len(extra) + len(core) + len(flags)
        if wanted > limits.count:
            room = max(0, limits.count - len(core) - _FLAGS)
            lost.attributes = _keep_last(extra, room)
            room -= len(extra)
            lost.request_headers += _keep_first(request, room)
            room -= len(request)
            lost.response_headers += _keep_first(response, room)
            flags = lost.flags()
    return {**request, **response, **extra, **flags, **core}


def decode(attributes: Mapping[str, Any], facts: SpanFacts) -> Exchange:
    """The exchange a span holds.

    Args:
        attributes: the span's attributes; sequences may be tuples or lists, unknown ones are
            ignored.
        facts: ids, times and kind of the span.

    Raises:
        KeyError: these are not the attributes of an exchange (no ``spantap.record.version``).
    """
    attributes[names.RECORD_VERSION]
    get = attributes.get
    first_byte = get(names.TIME_TO_FIRST_BYTE)
    error_type = get(error_names.ERROR_TYPE)
    metadata = get(names.METADATA)
    return Exchange(
        trace_id=facts.trace_id,
        span_id=facts.span_id,
        parent_span_id=facts.parent_span_id,
        direction=facts.direction,
        request=Request(
            method=get(http_names.HTTP_REQUEST_METHOD_ORIGINAL) or get(http_names.HTTP_REQUEST_METHOD) or "",
            scheme=get(url_names.URL_SCHEME) or "",
            path=get(url_names.URL_PATH) or "",
            query=get(url_names.URL_QUERY) or "",
            headers=_read_headers(attributes, names.HTTP_REQUEST_HEADER),
            headers_dropped=get(names.REQUEST + names.HEADERS_DROPPED) or 0,
            body=_read_body(
                attributes, names.HTTP_REQUEST_BODY_CONTENT, names.HTTP_REQUEST_BODY_SIZE, names.REQUEST
            ),
            http_version=get(network_names.NETWORK_PROTOCOL_VERSION),
            resends=get(http_names.HTTP_REQUEST_RESEND_COUNT) or 0,
            browser=get(names.USER_AGENT_NAME),
            platform=get(names.USER_AGENT_OS_NAME),
        ),
        response=Response(
            status=get(http_names.HTTP_RESPONSE_STATUS_CODE),
            headers=_read_headers(attributes, names.HTTP_RESPONSE_HEADER),
            headers_dropped=get(names.RESPONSE + names.HEADERS_DROPPED) or 0,
            body=_read_body(
                attributes, names.HTTP_RESPONSE_BODY_CONTENT, names.HTTP_RESPONSE_BODY_SIZE, names.RESPONSE
            ),
        ),
        timing=Timing(
            start=facts.start,
            first_byte=None if first_byte is None else facts.start + first_byte,
            end=facts.end,
        ),
        client=Peer(get(client_names.CLIENT_ADDRESS), get(client_names.CLIENT_PORT)),
        server=Peer(get(server_names.SERVER_ADDRESS), get(server_names.SERVER_PORT)),
        peer=Peer(get(network_names.NETWORK_PEER_ADDRESS), get(network_names.NETWORK_PEER_PORT)),
        route=get(http_names.HTTP_ROUTE),
        endpoint=get(names.ENDPOINT),
        identity=Identity(
            user=get(names.USER_ID),
            user_hash=get(names.USER_HASH),
            email=get(names.USER_EMAIL),
            company=get(names.COMPANY_ID),
            session=get(names.SESSION_ID),
            device=get(names.DEVICE_ID),
        ),
        error=None if error_type is None else Error(error_type, get(names.ERROR_MESSAGE)),
        incomplete=get(names.INCOMPLETE),
        metadata=orjson.loads(metadata) if metadata else {},
        metrics=_numbers(attributes, names.METRIC, float),
        redactions=_numbers(attributes, names.REDACTED, int),
        answering_span_id=get(names.ANSWERING_SPAN_ID),
        hash_key_id=get(names.HASH_KEY_ID),
        service=facts.service,
        sampled=facts.sampled,
        weight=get(names.WEIGHT) or 1.0,
        capture_reason=get(names.CAPTURE_REASON),
    )


def url_of(exchange: Exchange) -> str:
    """The URL an exchange asked for (``url.full``); without what is not known of it."""
    request, server = exchange.request, exchange.server
    return full_url(request.scheme, server.address, server.port, request.path, request.query)


def asked_for(exchange: Exchange) -> str:
    """What to show of where a request went, without the query: of one that we sent with the host."""
    if exchange.direction == "inbound":
        return exchange.request.path
    server = exchange.server
    return full_url(exchange.request.scheme, server.address, server.port, exchange.request.path, "")


def full_url(scheme: str, host: str | None, port: int | None, path: str, query: str) -> str:
    """A URL from its parts; a port that goes without saying is left out."""
    where = host or ""
    if where and ":" in where and not where.startswith("["):
        where = f"[{where}]"
    if where and port is not None and port != _PORTS.get(scheme):
        where = f"{where}:{port}"
    origin = f"{scheme}://{where}" if scheme and where else where
    return f"{origin}{path}?{query}" if query else origin + path


_PORTS: Final = {"http": 80, "https": 443}


def _core(exchange: Exchange) -> dict[str, Value]:
    """What must survive any limit."""
    request, response = exchange.request, exchange.response
    core: dict[str, Value] = {}
    if exchange.weight != 1.0:
        core[names.WEIGHT] = exchange.weight
    _put(core, names.CAPTURE_REASON, exchange.capture_reason)
    _put(core, names.INCOMPLETE, exchange.incomplete)
    if exchange.error is not None:
        core[error_names.ERROR_TYPE] = exchange.error.type
    if request.query:
        core[url_names.URL_QUERY] = request.query
    if exchange.direction == "outbound":
        _put(core, url_names.URL_FULL, url_of(exchange) or None)
    core[names.RECORD_VERSION] = VERSION
    # Empty: a destination's policy has taken it out.
    _put(core, url_names.URL_SCHEME, request.scheme or None)
    if request.method in KNOWN_METHODS:
        core[http_names.HTTP_REQUEST_METHOD] = request.method
    elif request.method:
        core[http_names.HTTP_REQUEST_METHOD_ORIGINAL] = request.method
        core[http_names.HTTP_REQUEST_METHOD] = "_OTHER"
    _put(core, url_names.URL_PATH, request.path or None)
    _put(core, http_names.HTTP_ROUTE, exchange.route)
    _put(core, http_names.HTTP_RESPONSE_STATUS_CODE, response.status)
    return core


def _extra(exchange: Exchange) -> dict[str, Value]:
    """Everything but headers and core, the least important first."""
    extra: dict[str, Value] = {}
    for name, number in exchange.metrics.items():
        extra[names.METRIC + name] = number
    if exchange.metadata:
        extra[names.METADATA] = orjson.dumps(exchange.metadata).decode()
    for rule, count in exchange.redactions.items():
        extra[names.REDACTED + rule] = count
    _put(extra, names.HASH_KEY_ID, exchange.hash_key_id)
    _put(extra, names.ANSWERING_SPAN_ID, exchange.answering_span_id)
    request, response, identity = exchange.request, exchange.response, exchange.identity
    _put(extra, names.USER_AGENT_OS_NAME, request.platform)
    _put(extra, names.USER_AGENT_NAME, request.browser)
    _put(extra, network_names.NETWORK_PROTOCOL_VERSION, request.http_version)
    if request.resends:
        extra[http_names.HTTP_REQUEST_RESEND_COUNT] = request.resends
    _put(extra, network_names.NETWORK_PEER_PORT, exchange.peer.port)
    _put(extra, network_names.NETWORK_PEER_ADDRESS, exchange.peer.address)
    _put(extra, client_names.CLIENT_PORT, exchange.client.port)
    _put(extra, client_names.CLIENT_ADDRESS, exchange.client.address)
    _put(extra, server_names.SERVER_PORT, exchange.server.port)
    _put(extra, server_names.SERVER_ADDRESS, exchange.server.address)
    _put(extra, names.ENDPOINT, exchange.endpoint)
    _put(extra, names.DEVICE_ID, identity.device)
    _put(extra, names.SESSION_ID, identity.session)
    _put(extra, names.COMPANY_ID, identity.company)
    _put(extra, names.USER_EMAIL, identity.email)
    _put(extra, names.USER_HASH, identity.user_hash)
    _put(extra, names.USER_ID, identity.user)
    if exchange.error is not None:
        _put(extra, names.ERROR_MESSAGE, exchange.error.message)
    if exchange.timing.first_byte is not None:
        extra[names.TIME_TO_FIRST_BYTE] = exchange.timing.first_byte - exchange.timing.start
    _body(extra, request.body, names.HTTP_REQUEST_BODY_CONTENT, names.HTTP_REQUEST_BODY_SIZE, names.REQUEST)
    _body(
        extra, response.body, names.HTTP_RESPONSE_BODY_CONTENT, names.HTTP_RESPONSE_BODY_SIZE, names.RESPONSE
    )
    return extra


_FLAGS: Final = 3  # the attributes that `_Lost.flags` may need


@dataclass(slots=True)
class _Lost:
    """What there was no room for: header values and other attributes."""

    request_headers: int = 0
    response_headers: int = 0
    attributes: int = 0

    def flags(self) -> dict[str, Value]:
        if not (self.attributes or self.response_headers or self.request_headers):
            return {}
        counts = {
            names.ATTRIBUTES_DROPPED: self.attributes,
            names.RESPONSE + names.HEADERS_DROPPED: self.response_headers,
            names.REQUEST + names.HEADERS_DROPPED: self.request_headers,
        }
        return {name: count for name, count in counts.items() if count}


def _keep_first(headers: dict[str, Value], room: int) -> int:
    """Leave as many fields as there is room for; how many values went."""
    gone = list(headers)[max(0, room) :]
    return sum(len(values) for name in gone if isinstance(values := headers.pop(name), tuple))


def _keep_last(extra: dict[str, Value], room: int) -> int:
    """Leave the most important attributes, which are last; how many went."""
    gone = list(extra)[: max(0, len(extra) - room)]
    for name in gone:
        del extra[name]
    return len(gone)


def _shortened(exchange: Exchange, longest: int) -> Exchange:
    """Cut what the SDK would cut without a word, and say so."""
    request, response = exchange.request, exchange.response
    request_headers, request_lost = _short_values(request.headers, longest)
    response_headers, response_lost = _short_values(response.headers, longest)
    return replace(
        exchange,
        request=replace(
            request,
            path=request.path[:longest],
            query=request.query[:longest],
            headers=request_headers,
            headers_dropped=request.headers_dropped + request_lost,
            body=_short_body(request.body, longest),
        ),
        response=replace(
            response,
            headers=response_headers,
            headers_dropped=response.headers_dropped + response_lost,
            body=_short_body(response.body, longest),
        ),
        # Half a JSON document cannot be read back: all or nothing.
        metadata=exchange.metadata if len(orjson.dumps(exchange.metadata)) <= longest else {},
    )


def _short_values(headers: Headers, longest: int) -> tuple[Headers, int]:
    kept = {
        name: tuple(value for value in values if len(value) <= longest) for name, values in headers.items()
    }
    lost = sum(map(len, headers.values())) - sum(map(len, kept.values()))
    return Headers.grouped({name: values for name, values in kept.items() if values}), lost


def _short_body(body: Body, longest: int) -> Body:
    if isinstance(body.content, str) and len(body.content) > longest:
        return replace(body, content=body.content[:longest], truncated=True)
    return body


def _headers(headers: Headers, prefix: str) -> dict[str, Value]:
    return {prefix + name: values for name, values in headers.items()}


def _body(attributes: dict[str, Value], body: Body, content: str, size: str, ours: str) -> None:
    if body.size:
        attributes[size] = body.size
    if body.truncated:
        attributes[ours + names.BODY_TRUNCATED] = True
    _put(attributes, ours + names.BODY_WITHHELD, body.withheld)
    _put(attributes, content, body.content)


def _put(attributes: dict[str, Value], name: str, value: Value | None) -> None:
    if value is not None:
        attributes[name] = value


def _read_headers(attributes: Mapping[str, Any], prefix: str) -> Headers:
    start = len(prefix)
    return Headers.grouped(
        {
            name[start:]: (value,) if isinstance(value, str) else value
            for name, value in attributes.items()
            if name.startswith(prefix)
        }
    )


def _read_body(attributes: Mapping[str, Any], content: str, size: str, ours: str) -> Body:
    return Body(
        content=attributes.get(content),
        size=attributes.get(size) or 0,
        truncated=bool(attributes.get(ours + names.BODY_TRUNCATED)),
        withheld=attributes.get(ours + names.BODY_WITHHELD),
    )


def _numbers(attributes: Mapping[str, Any], prefix: str, kind: Callable[[Any], Any]) -> dict[str, Any]:
    start = len(prefix)
    return {name[start:]: kind(value) for name, value in attributes.items() if name.startswith(prefix)}
