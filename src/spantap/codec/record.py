"""`Exchange` <-> a plain dict: the one wire shape of our own destinations.

The dict holds only JSON types and carries its version; what is empty or unknown is left out.
A bytes body is written as ``{"base64": ...}`` because JSON has no bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from spantap.model import Body, Error, Exchange, Headers, Identity, Peer, Request, Response, Timing

VERSION: Final = 1

Record = dict[str, Any]


def to_record(exchange: Exchange) -> Record:
    """The record of an exchange: JSON types only, times in nanoseconds since the epoch."""
    request, response, timing = exchange.request, exchange.response, exchange.timing
    return _present(
        {
            "version": VERSION,
            "trace_id": exchange.trace_id,
            "span_id": exchange.span_id,
            "parent_span_id": exchange.parent_span_id,
            "answering_span_id": exchange.answering_span_id,
            "direction": exchange.direction,
            "service": exchange.service,
            "sampled": exchange.sampled,
            "start": timing.start,
            "first_byte": timing.first_byte,
            "end": timing.end,
            "route": exchange.route,
            "endpoint": exchange.endpoint,
            "client": _present({"address": exchange.client.address, "port": exchange.client.port}),
            "server": _present({"address": exchange.server.address, "port": exchange.server.port}),
            "peer": _present({"address": exchange.peer.address, "port": exchange.peer.port}),
            "identity": _present({each: getattr(exchange.identity, each) for each in _IDENTITY}),
            "request": _present(
                {
                    "method": request.method,
                    "scheme": request.scheme,
                    "path": request.path,
                    "query": request.query or None,
                    "http_version": request.http_version,
                    "resends": request.resends or None,
                    "browser": request.browser,
                    "platform": request.platform,
                    "headers": {name: list(values) for name, values in request.headers.items()},
                    "headers_dropped": request.headers_dropped or None,
                    "body": _write_body(request.body),
                }
            ),
            "response": _present(
                {
                    "status": response.status,
                    "headers": {name: list(values) for name, values in response.headers.items()},
                    "headers_dropped": response.headers_dropped or None,
                    "body": _write_body(response.body),
                }
            ),
            "error": None
            if exchange.error is None
            else _present({"type": exchange.error.type, "message": exchange.error.message}),
            "incomplete": exchange.incomplete,
            "metadata": dict(exchange.metadata),
            "metrics": dict(exchange.metrics),
            "redactions": dict(exchange.redactions),
            "hash_key_id": exchange.hash_key_id,
            "weight": None if exchange.weight == 1.0 else exchange.weight,
            "capture_reason": exchange.capture_reason,
        }
    )


def from_record(record: Mapping[str, Any]) -> Exchange:
    """The exchange a record holds.

    Raises:
        ValueError: the record is of a version this release does not know.
        KeyError: a field every record has is missing.
    """
    if record.get("version") != VERSION:
        raise ValueError(f"record version {record.get('version')!r}: this release reads version {VERSION}")
    request, response = record["request"], record.get("response", {})
    error = record.get("error")
    return Exchange(
        trace_id=record["trace_id"],
        span_id=record["span_id"],
        parent_span_id=record.get("parent_span_id"),
        answering_span_id=record.get("answering_span_id"),
        direction=record["direction"],
        service=record.get("service"),
        sampled=record["sampled"],
        timing=Timing(record["start"], record.get("first_byte"), record["end"]),
        route=record.get("route"),
        endpoint=record.get("endpoint"),
        client=Peer(**record.get("client", {})),
        server=Peer(**record.get("server", {})),
        peer=Peer(**record.get("peer", {})),
        identity=Identity(**record.get("identity", {})),
        request=Request(
            method=request["method"],
            scheme=request["scheme"],
            path=request["path"],
            query=request.get("query", ""),
            http_version=request.get("http_version"),
            resends=request.get("resends", 0),
            browser=request.get("browser"),
            platform=request.get("platform"),
            headers=Headers.grouped(request.get("headers", {})),
            headers_dropped=request.get("headers_dropped", 0),
            body=_read_body(request.get("body", {})),
        ),
        response=Response(
            status=response.get("status"),
            headers=Headers.grouped(response.get("headers", {})),
            headers_dropped=response.get("headers_dropped", 0),
            body=_read_body(response.get("body", {})),
        ),
        error=None if error is None else Error(**error),
        incomplete=record.get("incomplete"),
        metadata=record.get("metadata", {}),
        metrics=record.get("metrics", {}),
        redactions=record.get("redactions", {}),
        hash_key_id=record.get("hash_key_id"),
        weight=record.get("weight", 1.0),
        capture_reason=record.get("capture_reason"),
    )


_IDENTITY: Final = tuple(each.name for each in fields(Identity))


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != {}}


def _write_body(body: Body) -> dict[str, Any]:
    content: Any = body.content
    if isinstance(content, bytes):
        content = {"base64": base64.b64encode(content).decode("ascii")}
    return _present(
        {
            "content": content,
            "size": body.size or None,
            "truncated": body.truncated or None,
            "withheld": body.withheld,
        }
    )


def _read_body(written: Mapping[str, Any]) -> Body:
    content = written.get("content")
    if isinstance(content, Mapping):
        content = base64.b64decode(content["base64"])
    return Body(
        content=content,
        size=written.get("size", 0),
        truncated=written.get("truncated", False),
        withheld=written.get("withheld"),
    )
