"""`Exchange` <-> a flat row: one scalar a column, for tables and spreadsheets.

The columns are the record's (`spantap.codec.record`), those that people ask for first, and a few
made from them: the time as a date, the duration in milliseconds, the host, the user agent. What is a
list or an object in the record is JSON text here. Bytes have no place: a body of bytes is withheld as
``binary``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import orjson

from spantap.codec.record import VERSION, from_record, to_record
from spantap.model import Exchange

Row = dict[str, Any]

# Column -> where its value is in the record; None: made from others.
_PLACES: Final[Mapping[str, tuple[str, ...] | None]] = {
    "time": None,
    "method": ("request", "method"),
    "host": None,
    "path": ("request", "path"),
    "query": ("request", "query"),
    "status": ("response", "status"),
    "duration_ms": None,
    "route": ("route",),
    "endpoint": ("endpoint",),
    "client_address": ("client", "address"),
    "referrer": None,
    "user_agent": None,
    "browser": ("request", "browser"),
    "platform": ("request", "platform"),
    "user_id": ("identity", "user"),
    "company_id": ("identity", "company"),
    "session_id": ("identity", "session"),
    "device_id": ("identity", "device"),
    "request_size": ("request", "body", "size"),
    "response_size": ("response", "body", "size"),
    "mimetype": None,
    "error_type": ("error", "type"),
    "error_message": ("error", "message"),
    "service": ("service",),
    "trace_id": ("trace_id",),
    "span_id": ("span_id",),
    "parent_span_id": ("parent_span_id",),
    "answering_span_id": ("answering_span_id",),
    "direction": ("direction",),
    "sampled": ("sampled",),
    "incomplete": ("incomplete",),
    "scheme": ("request", "scheme"),
    "http_version": ("request", "http_version"),
    "resends": ("request", "resends"),
    "start_ns": ("start",),
    "first_byte_ns": ("first_byte",),
    "end_ns": ("end",),
    "client_port": ("client", "port"),
    "server_address": ("server", "address"),
    "server_port": ("server", "port"),
    "peer_address": ("peer", "address"),
    "peer_port": ("peer", "port"),
    "user_email": ("identity", "email"),
    "user_hash": ("identity", "user_hash"),
    "request_headers": ("request", "headers"),
    "request_headers_dropped": ("request", "headers_dropped"),
    "request_body": ("request", "body", "content"),
    "request_body_truncated": ("request", "body", "truncated"),
    "request_body_withheld": ("request", "body", "withheld"),
    "response_headers": ("response", "headers"),
    "response_headers_dropped": ("response", "headers_dropped"),
    "response_body": ("response", "body", "content"),
    "response_body_truncated": ("response", "body", "truncated"),
    "response_body_withheld": ("response", "body", "withheld"),
    "metadata": ("metadata",),
    "metrics": ("metrics",),
    "redactions": ("redactions",),
    "hash_key_id": ("hash_key_id",),
    "weight": ("weight",),
    "capture_reason": ("capture_reason",),
}

COLUMNS: Final = tuple(_PLACES)
"""Every column, those that people look at first."""

INTEGERS: Final = frozenset(
    {"status", "resends", "start_ns", "first_byte_ns", "end_ns"}
    | {name for name in COLUMNS if name.endswith(("_size", "_port", "_dropped"))}
)
"""The columns that hold whole numbers."""

NUMBERS: Final = frozenset({"duration_ms", "weight"})
"""The columns that hold other numbers."""

FLAGS: Final = frozenset({"sampled", "request_body_truncated", "response_body_truncated"})
"""The columns that hold yes or no."""

_OBJECTS: Final = frozenset({"request_headers", "response_headers", "metadata", "metrics", "redactions"})
_BODIES: Final = ("request", "response")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
# What no record is without.
_LEAST: Final[Mapping[str, Any]] = {
    "trace_id": "",
    "span_id": "",
    "direction": "inbound",
    "sampled": True,
    "start": 0,
}


def to_row(exchange: Exchange) -> Row:
    """The exchange, a value for each of `COLUMNS`: text, int, float, bool, datetime (UTC) or None."""
    record = to_record(exchange)
    row: Row = {}
    for column, place in _PLACES.items():
        value: Any = record
        for name in place or ():
            value = value.get(name) if isinstance(value, dict) else None
        row[column] = orjson.dumps(value).decode() if column in _OBJECTS and value else value
    for half in _BODIES:
        if isinstance(row[f"{half}_body"], dict):
            row[f"{half}_body"], row[f"{half}_body_withheld"] = None, "binary"
    row["time"] = _EPOCH + timedelta(microseconds=exchange.timing.start // 1000)
    headers = exchange.request.headers
    row["host"] = headers.first("host") or exchange.server.address
    row["referrer"], row["user_agent"] = headers.first("referer"), headers.first("user-agent")
    row["mimetype"] = _media_type(exchange.response.headers.first("content-type"))
    row["duration_ms"] = round(exchange.timing.duration / 1e6, 3)
    return row


def _media_type(content_type: str | None) -> str | None:
    """Without its parameters."""
    return content_type and content_type.partition(";")[0].strip().lower()


def from_row(row: Mapping[str, Any]) -> Exchange:
    """The exchange of a row; columns it does not have are as if unknown.

    Raises:
        ValueError: a value is of the wrong kind.
    """
    record: dict[str, Any] = {"version": VERSION, **_LEAST}
    for column, place in _PLACES.items():
        value = row.get(column)
        if place is None or value is None:
            continue
        *outer, last = place
        inside = record
        for name in outer:
            inside = inside.setdefault(name, {})
        inside[last] = orjson.loads(value) if column in _OBJECTS else value
    record.setdefault("end", record["start"])
    request = record.setdefault("request", {})
    record["request"] = {"method": "", "scheme": "http", "path": "", **request}
    try:
        return from_record(record)
    except (AttributeError, KeyError, TypeError):
        raise ValueError("not a row this release knows") from None
