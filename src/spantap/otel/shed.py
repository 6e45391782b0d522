"""Lighter copies of a span with an exchange in it, for when memory is short or a destination takes no more.

What is given up first is what weighs most and says least: bodies, then headers, then the app's
own data. Who called what, when, and what came of it stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from spantap.model import Body, Exchange, Headers
from spantap.otel.exporter import ExchangeAttributes, ExchangeSpan

STAGES: Final = ("bodies", "headers", "metadata")
WITHHELD: Final = "shed"  # why a body is not shown


def without(span: ReadableSpan, stage: int) -> ReadableSpan | None:
    """A copy without what a stage gives up; None when there is nothing of it.

    Args:
        span: the clean copy of a span; not changed.
        stage: index into `STAGES`.
    """
    if not isinstance(span, ExchangeSpan):
        return None
    exchange = _LIGHTEN[stage](span.exchange)
    if exchange is span.exchange:
        return None
    copy = ExchangeSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=ExchangeAttributes(exchange, span.others),
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
    copy.exchange, copy.others = exchange, span.others
    copy.lost_as(span)
    return copy


def _without_bodies(exchange: Exchange) -> Exchange:
    request, response = exchange.request, exchange.response
    if request.body.content is None and response.body.content is None:
        return exchange
    return replace(
        exchange,
        request=replace(request, body=_withheld(request.body)),
        response=replace(response, body=_withheld(response.body)),
    )


def _withheld(body: Body) -> Body:
    return body if body.content is None else Body(size=body.size, withheld=WITHHELD)


def _without_headers(exchange: Exchange) -> Exchange:
    request, response = exchange.request, exchange.response
    if not (request.headers or response.headers):
        return exchange
    return replace(
        exchange,
        request=replace(
            request,
            headers=Headers(),
            headers_dropped=request.headers_dropped + sum(map(len, request.headers.values())),
        ),
        response=replace(
            response,
            headers=Headers(),
            headers_dropped=response.headers_dropped + sum(map(len, response.headers.values())),
        ),
    )


def _without_metadata(exchange: Exchange) -> Exchange:
    if not (exchange.metadata or exchange.metrics):
        return exchange
    return replace(exchange, metadata={}, metrics={})


_LIGHTEN: Final[tuple[Callable[[Exchange], Exchange], ...]] = (
    _without_bodies,
    _without_headers,
    _without_metadata,
)
