"""An exchange as ClickHouse should show it."""

from __future__ import annotations

import json
from typing import Any

from clickhouse.exporter import Row, moment
from spantap.model import Exchange


def as_row(each: Exchange) -> Row:
    """The row an exchange should be."""
    who, error = each.identity, each.error
    first_byte = 0 if each.timing.first_byte is None else each.timing.first_byte - each.timing.start
    row: dict[str, Any] = {
        "start": moment(each.timing.start),
        "duration": each.timing.duration,
        "first_byte": first_byte,
        "trace_id": each.trace_id,
        "span_id": each.span_id,
        "parent_span_id": each.parent_span_id,
        "direction": each.direction,
        "service": each.service,
        "environment": "test",
        "method": each.request.method,
        "scheme": each.request.scheme,
        "server": each.server.address,
        "path": each.request.path,
        "query": each.request.query,
        "route": each.route,
        "endpoint": each.endpoint,
        "status": each.response.status or 0,
        "error_type": error.type if error else "",
        "error_message": error.message if error else "",
        "incomplete": each.incomplete,
        "user": who.user,
        "user_hash": who.user_hash,
        "email": who.email,
        "company": who.company,
        "session": who.session,
        "device": who.device,
        "client": each.client.address,
        "answering_span_id": each.answering_span_id or "",
        "resends": each.request.resends,
        "request_size": each.request.body.size,
        "response_size": each.response.body.size,
        "metadata": json.dumps(each.metadata, separators=(",", ":")) if each.metadata else "",
        "metrics": dict(each.metrics),
        "redactions": dict(each.redactions),
        "weight": each.weight,
        "capture_reason": each.capture_reason,
    }
    for name, half in (("request", each.request), ("response", each.response)):
        row[f"{name}_headers"] = {field: list(values) for field, values in half.headers.items()}
        row[f"{name}_body"] = half.body.content
        row[f"{name}_body_truncated"] = half.body.truncated
        row[f"{name}_body_withheld"] = half.body.withheld
    return {name: "" if value is None else value for name, value in row.items()}
