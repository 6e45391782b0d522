"""What of an exchange is written on the live span, which other people's processors also see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from opentelemetry.semconv.attributes.client_attributes import CLIENT_ADDRESS, CLIENT_PORT
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_REQUEST_METHOD_ORIGINAL,
    HTTP_REQUEST_RESEND_COUNT,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.semconv.attributes.network_attributes import NETWORK_PROTOCOL_VERSION
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.semconv.attributes.url_attributes import URL_FULL, URL_PATH, URL_QUERY, URL_SCHEME
from opentelemetry.trace import Span
from opentelemetry.trace.status import Status, StatusCode

from spantap.codec import names
from spantap.codec.attributes import AttributeLimits, Value, encode
from spantap.model import Body, Exchange, Observation
from spantap.model.exchange import NOBODY
from spantap.policy.decide import Drop
from spantap.policy.destination import DestinationPolicy
from spantap.policy.pipeline import Pipeline
from spantap.policy.redact import Tally

# Other people's batches are counted in spans, not bytes: two bodies of this size in each of
# 512 spans stay below the 4 MiB that a collector's gRPC receiver takes.
LIVE_BODY: Final = 2 * 1024
_METADATA: Final = frozenset({
    HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL, HTTP_REQUEST_RESEND_COUNT, URL_FULL,
    URL_SCHEME, URL_PATH, URL_QUERY,
    SERVER_ADDRESS, SERVER_PORT, CLIENT_ADDRESS, CLIENT_PORT, NETWORK_PROTOCOL_VERSION,
    HTTP_ROUTE, HTTP_RESPONSE_STATUS_CODE, ERROR_TYPE, names.USER_ID, names.USER_HASH, names.SESSION_ID,
})  # fmt: skip


def plain_attributes(exchange: Exchange | Drop, seen: Observation) -> dict[str, Value]:
    """Metadata only: how it ended, where it was routed and who asked."""
    attributes: dict[str, Value] = {}
    if seen.error_type is not None:
        attributes[ERROR_TYPE] = seen.error_type
    elif (failed := seen.error_status) is not None:
        attributes[ERROR_TYPE] = failed
    if isinstance(exchange, Exchange):
        if exchange.request.query:
            attributes[URL_QUERY] = exchange.request.query
        if exchange.identity.user is not None:
            attributes[names.USER_ID] = exchange.identity.user
        if exchange.identity.user_hash is not None:
            attributes[names.USER_HASH] = exchange.identity.user_hash
        if exchange.identity.session is not None:
            attributes[names.SESSION_ID] = exchange.identity.session
    if seen.route is not None:
        attributes[HTTP_ROUTE] = seen.route
    if seen.status is not None:
        attributes[HTTP_RESPONSE_STATUS_CODE] = seen.status
    return attributes


def metadata_of(exchange: Exchange, rest: Mapping[str, Any]) -> dict[str, Any]:
    """What a live span says of an exchange that is over, when it was not asked before.

    Args:
        exchange: the clean exchange.
        rest: attributes that are not the exchange's.
    """
    said = {name: value for name, value in encode(exchange).items() if name in _METADATA}
    return {**said, **rest}


def plain_of(exchange: Exchange, rest: Mapping[str, Any]) -> dict[str, Any]:
    """The same of an exchange whose record a policy leaves out: who it was is of the record."""
    return metadata_of(replace(exchange, identity=NOBODY), rest)


def full_attributes(
    exchange: Exchange, span: Span, policy: DestinationPolicy | None = None
) -> dict[str, Value]:
    """The whole exchange with bodies cut to the portable size, within the span's limits.

    Args:
        exchange: the clean exchange.
        span: the live span.
        policy: what collectors get of it.
    """
    if policy is not None:
        taken, exchange = policy.takes(exchange), policy.reduced(exchange)
        if not taken:
            return plain_of(exchange, {})
    request, response = exchange.request, exchange.response
    portable = replace(
        exchange,
        request=replace(request, body=_portable(request.body)),
        response=replace(response, body=_portable(response.body)),
    )
    return encode(portable, limits_of(span))


def write_exception(span: Span, seen: Observation, stacktrace: str, pipeline: Pipeline, tally: Tally) -> None:
    """As the SDK's `record_exception`, with clean texts of bounded length.

    Args:
        span: the live span.
        seen: what has an error.
        stacktrace: of that error, raw.
        pipeline: cleans the texts.
        tally: what is secret in this exchange.
    """
    kind = pipeline.clean_name(seen.error_type or "", tally)
    message = pipeline.clean_message(seen.error_message or "", tally)
    stacktrace = pipeline.clean_stacktrace(stacktrace, tally)
    event = {"exception.type": kind, "exception.message": message, "exception.stacktrace": stacktrace}
    said = {name: text for name, text in event.items() if text or name == "exception.message"}
    span.add_event("exception", {**said, "exception.escaped": "True"})
    span.set_status(Status(StatusCode.ERROR, f"{kind.rpartition('.')[2]}: {message}"))


def limits_of(span: Span) -> AttributeLimits:
    """The limits in force for a live span, less what it already holds."""
    limits: Any = getattr(span, "_limits", None)  # the SDK shows them nowhere else
    if limits is None:
        return AttributeLimits()
    count = limits.max_span_attributes
    held: Any = getattr(span, "attributes", None)
    if count is not None and held is not None:
        count = max(0, count - len(held))
    return AttributeLimits(count, limits.max_span_attribute_length)


def _portable(body: Body) -> Body:
    content = body.content
    if content is None or len(content) <= LIVE_BODY // 4:
        return body
    if isinstance(content, bytes):
        return (
            body if len(content) <= LIVE_BODY else replace(body, content=content[:LIVE_BODY], truncated=True)
        )
    encoded = content.encode()
    if len(encoded) <= LIVE_BODY:
        return body
    return replace(body, content=encoded[:LIVE_BODY].decode(errors="ignore"), truncated=True)
