"""The fields of an exchange by name, and exchanges with some of them left out.

The first fifteen are those of flask-traffic's ``LogPolicy``. Ids, direction, service, whether the
trace was sampled, and why a record is not whole are no fields: without them it would be no record.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Final

from spantap.model import Body, Error, Exchange, Headers, Peer, Request, Response, Timing
from spantap.model.exchange import NOBODY

FIELDS: Final = (
    "date",
    "method",
    "host_url",
    "path",
    "endpoint",
    "remote_address",
    "referrer",
    "user_agent",
    "browser",
    "platform",
    "response_time",
    "response_size",
    "status",
    "exception",
    "mimetype",
    "query",
    "route",
    "http_version",
    "request_size",
    "request_headers",
    "request_body",
    "response_headers",
    "response_body",
    "identity",
    "metadata",
    "metrics",
    "redactions",
)
# Found out only for a destination that names them.
ON_DEMAND: Final = frozenset({"browser", "platform"})
GROUPS: Final = {
    "headers": ("request_headers", "response_headers"),
    "bodies": ("request_body", "response_body"),
}
# As flask-traffic calls those that have another name here.
OTHER_NAMES: Final = {
    "request_date": "date",
    "request_method": "method",
    "request_host_url": "host_url",
    "request_path": "path",
    "request_endpoint": "endpoint",
    "request_remote_address": "remote_address",
    "request_referrer": "referrer",
    "request_user_agent": "user_agent",
    "request_browser": "browser",
    "request_platform": "platform",
    "response_status_code": "status",
    "response_exception": "exception",
    "response_mimetype": "mimetype",
}
WITHHELD: Final = "switched-off"  # why a body is not shown

# Headers that say what a field says.
_ADDRESS: Final = ("remote_address",)
_OF_REQUEST: Final[Mapping[str, tuple[str, ...]]] = {
    "referer": ("referrer",),
    "origin": ("referrer",),
    "user-agent": ("user_agent",),
    "sec-ch-ua": ("user_agent",),
    "sec-ch-ua-mobile": ("user_agent",),
    "sec-ch-ua-platform": ("platform",),
    "host": ("host_url",),
    "x-forwarded-host": ("host_url",),
    "x-forwarded-proto": ("host_url",),
    "forwarded": ("remote_address", "host_url"),
    **dict.fromkeys(("x-forwarded-for", "x-original-forwarded-for", "x-real-ip", "x-client-ip"), _ADDRESS),
    **dict.fromkeys(("cf-connecting-ip", "cf-connecting-ipv6", "true-client-ip"), _ADDRESS),
    **dict.fromkeys(("fastly-client-ip", "fly-client-ip", "x-cluster-client-ip"), _ADDRESS),
    **dict.fromkeys(("x-envoy-external-address", "x-azure-clientip", "x-appengine-user-ip"), _ADDRESS),
    **dict.fromkeys(("x-original-uri", "x-original-url", "x-rewrite-url"), ("path", "query")),
    **dict.fromkeys(("x-forwarded-uri", "x-envoy-original-path"), ("path", "query")),
    "baggage": ("identity",),  # we write it there
    "content-length": ("request_size",),
}
_OF_RESPONSE: Final[Mapping[str, tuple[str, ...]]] = {
    "content-type": ("mimetype",),
    "content-length": ("response_size",),
    "date": ("date",),
    "location": ("path",),
}
# These fields are nowhere else.
_HEADERS_ALONE: Final = frozenset({"referer", "user-agent", "content-type"})
_NO_PEER: Final = Peer()


def reduced(exchange: Exchange, kept: Set[str], removed: Set[str]) -> Exchange:
    """The exchange with some fields only; what is left out is as if it were not known.

    Texts become empty, numbers and names None, times count from 0 (without ``date``), bodies are
    withheld as ``switched-off``.

    Args:
        exchange: stays as it is.
        kept: names of `FIELDS`.
        removed: fields whose headers go, too, although headers are kept.
    """
    located = "remote_address" in kept
    return replace(
        exchange,
        request=_request(exchange.request, kept, removed),
        response=_response(exchange.response, kept, removed),
        timing=_timing(exchange.timing, kept),
        client=exchange.client if located else _NO_PEER,
        peer=exchange.peer if located else _NO_PEER,
        server=exchange.server if "host_url" in kept else _NO_PEER,
        route=exchange.route if "route" in kept else None,
        endpoint=exchange.endpoint if "endpoint" in kept else None,
        identity=exchange.identity if "identity" in kept else NOBODY,
        error=_error(exchange.error, kept),
        metadata=exchange.metadata if "metadata" in kept else {},
        metrics=exchange.metrics if "metrics" in kept else {},
        redactions=exchange.redactions if "redactions" in kept else {},
    )


def names_status(error: Error) -> bool:
    """Whether an error says no more than the status: there was no exception."""
    return error.type.isdecimal()


def _request(request: Request, kept: Set[str], removed: Set[str]) -> Request:
    whole = "request_headers" in kept
    return Request(
        method=request.method if "method" in kept else "",
        scheme=request.scheme if "host_url" in kept else "",
        path=request.path if "path" in kept else "",
        query=request.query if "query" in kept else "",
        headers=_headers(request.headers, _OF_REQUEST, kept, removed, whole=whole),
        headers_dropped=request.headers_dropped if whole else 0,
        body=_body(request.body, content="request_body" in kept, size="request_size" in kept),
        http_version=request.http_version if "http_version" in kept else None,
        browser=request.browser if "browser" in kept else None,
        platform=request.platform if "platform" in kept else None,
        resends=request.resends,
    )


def _response(response: Response, kept: Set[str], removed: Set[str]) -> Response:
    whole = "response_headers" in kept
    return Response(
        status=response.status if "status" in kept else None,
        headers=_headers(response.headers, _OF_RESPONSE, kept, removed, whole=whole),
        headers_dropped=response.headers_dropped if whole else 0,
        body=_body(response.body, content="response_body" in kept, size="response_size" in kept),
    )


def _headers(
    headers: Headers, fields: Mapping[str, tuple[str, ...]], kept: Set[str], removed: Set[str], *, whole: bool
) -> Headers:
    if whole:
        return Headers.grouped(
            {name: each for name, each in headers.items() if removed.isdisjoint(fields.get(name, ()))}
        )
    shown = {
        name: each
        for name, each in headers.items()
        if name in _HEADERS_ALONE and not kept.isdisjoint(fields.get(name, ()))
    }
    if "content-type" in shown:
        shown["content-type"] = tuple(each.partition(";")[0].strip() for each in shown["content-type"])
    return Headers.grouped(shown)


def _timing(timing: Timing, kept: Set[str]) -> Timing:
    start = timing.start if "date" in kept else 0
    if "response_time" not in kept:
        return Timing(start, None, start)
    first = timing.first_byte
    return Timing(start, None if first is None else start + first - timing.start, start + timing.duration)


def _error(error: Error | None, kept: Set[str]) -> Error | None:
    if error is None:
        return None
    return error if ("status" if names_status(error) else "exception") in kept else None


def _body(body: Body, *, content: bool, size: bool) -> Body:
    length = body.size if size else 0
    if content:
        return replace(body, size=length)
    passed = body.content is not None or body.withheld is not None
    return Body(size=length, withheld=WITHHELD if passed else None)
