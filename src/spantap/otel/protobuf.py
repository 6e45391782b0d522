"""Ended spans -> the bytes of an OTLP ``ExportTraceServiceRequest``.

The standard encoder builds a protobuf object per attribute, which costs several times what the
rest of a captured request does, on the interpreter the app runs on. This one writes the wire
format itself (protobuf encoding, opentelemetry-proto 1.x). A property test holds its bytes
against the standard encoder's, field by field.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext

_DOUBLE: Final = struct.Struct("<d").pack
_FIXED64: Final = struct.Struct("<Q").pack
_FIXED32: Final = struct.Struct("<I").pack
_HAS_IS_REMOTE: Final = 0x100  # SpanFlags of opentelemetry-proto
_IS_REMOTE: Final = 0x200
# After so many spans the interpreter goes to whoever waits for it: this runs beside the app's
# event loop, which would otherwise stand still for a whole batch.
_SLICE: Final = 16
_SHORT: Final = 64  # characters of a text that is remembered encoded
_SMALL: Final = tuple(bytes([number]) for number in range(128))


def encode_spans(spans: Sequence[ReadableSpan]) -> bytes:
    """The request body for a batch, grouped by resource and scope as the standard encoder does."""
    groups: dict[Resource, dict[InstrumentationScope | None, list[bytes]]] = {}
    group: list[bytes] = []
    resource = scope = None
    for number, span in enumerate(spans, 1):
        if not number % _SLICE:
            time.sleep(0)
        # Mostly those of the span before; to look a resource up costs more than to encode a span.
        if span.resource is not resource or span.instrumentation_scope is not scope:
            resource, scope = span.resource, span.instrumentation_scope
            group = groups.setdefault(resource, {}).setdefault(scope, [])
        group.append(_message(0x12, encode_span(span)))
    request = []
    for shared, scopes in groups.items():
        parts = [_message(0x0A, _attributes(0x0A, shared.attributes))]
        for scope, encoded in scopes.items():
            body = b"".join((_scope(scope), *encoded, _text(0x1A, scope.schema_url if scope else None)))
            parts.append(_message(0x12, body))
        parts.append(_text(0x1A, shared.schema_url))
        request.append(_message(0x0A, b"".join(parts)))
    return b"".join(request)


class SingleEncoder:
    """Makes requests with one span in them; keeps what spans of one process share. Not thread-safe."""

    def __init__(self) -> None:
        self._resource: Resource | None = None
        self._scope: InstrumentationScope | None = None
        self._shared = self._shared_by_scope = self._end = self._end_of_scope = b""

    def encode(self, span: ReadableSpan) -> bytes:
        """The request body; the same as `encode_spans` makes of this span alone."""
        resource, scope = span.resource, span.instrumentation_scope
        if resource is not self._resource:
            self._resource = resource
            self._shared = _message(0x0A, _attributes(0x0A, resource.attributes))
            self._end = _text(0x1A, resource.schema_url)
        if scope is not self._scope or not self._shared_by_scope:
            self._scope = scope
            self._shared_by_scope = _scope(scope)
            self._end_of_scope = _text(0x1A, scope.schema_url if scope else None)
        body = b"".join((self._shared_by_scope, _message(0x12, encode_span(span)), self._end_of_scope))
        return _message(0x0A, b"".join((self._shared, _message(0x12, body), self._end)))


def encode_span(span: ReadableSpan) -> bytes:
    """One ``Span`` message, without its tag."""
    context = span.get_span_context()
    if context is None:
        raise ValueError("a span without a context cannot be exported")
    parent = span.parent
    flags = _HAS_IS_REMOTE | (_IS_REMOTE if parent is not None and parent.is_remote else 0)
    kind = span.kind.value + 1  # the API counts from INTERNAL = 0, the protocol from 1
    parts = [
        b"\x0a\x10",
        context.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        context.span_id.to_bytes(8, "big"),
        _text(0x1A, _trace_state(context)),
    ]
    if parent is not None:
        parts += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
    parts += (_text(0x2A, span.name), b"\x30", _SMALL[kind])
    if span.start_time:
        parts += (b"\x39", _FIXED64(span.start_time))
    if span.end_time:
        parts += (b"\x41", _FIXED64(span.end_time))
    if span.attributes:
        parts.append(_attributes(0x4A, span.attributes))
    parts.append(_count(0x50, span.dropped_attributes))
    if span.events:
        parts += [_message(0x5A, _event(event)) for event in span.events]
    parts.append(_count(0x60, span.dropped_events))
    if span.links:
        parts += [_message(0x6A, _link(link)) for link in span.links]
    parts.append(_count(0x70, span.dropped_links))
    status = span.status
    parts.append(_message(0x7A, _text(0x12, status.description) + _count(0x18, status.status_code.value)))
    parts += (b"\x85\x01", _FIXED32(flags))
    return b"".join(parts)


def _event(event: Event) -> bytes:
    return b"".join(
        (
            b"\x09" + _FIXED64(event.timestamp) if event.timestamp else b"",
            _text(0x12, event.name),
            _attributes(0x1A, event.attributes or {}),
            _count(0x20, event.dropped_attributes),
        )
    )


def _link(link: Link) -> bytes:
    context = link.context
    flags = _HAS_IS_REMOTE | (_IS_REMOTE if context.is_remote else 0)
    return b"".join(
        (
            b"\x0a\x10" + context.trace_id.to_bytes(16, "big"),
            b"\x12\x08" + context.span_id.to_bytes(8, "big"),
            _attributes(0x22, link.attributes or {}),
            _count(0x28, link.dropped_attributes),
            b"\x35" + _FIXED32(flags),
        )
    )


def _scope(scope: InstrumentationScope | None) -> bytes:
    if scope is None:
        return _message(0x0A, b"")
    body = _text(0x0A, scope.name) + _text(0x12, scope.version) + _attributes(0x1A, scope.attributes or {})
    return _message(0x0A, body)


def _trace_state(context: SpanContext) -> str | None:
    state = context.trace_state
    return ",".join(f"{key}={value}" for key, value in state.items()) if state else None


def _attributes(tag: int, attributes: Mapping[str, Any]) -> bytes:
    """``KeyValue`` messages, each behind the tag."""
    first = _SMALL[tag]
    parts: list[bytes] = []
    put = parts.append
    for name, value in attributes.items():
        kind = type(value)
        if kind is str:
            put(_short(first, name, value) if len(value) <= _SHORT else _pair(first, name, _string(value)))
        elif kind is tuple and len(value) == 1 and type(value[0]) is str and len(value[0]) <= _SHORT:
            put(_short_list(first, name, value[0]))
        elif kind is int:
            put(_pair(first, name, b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)))
        else:
            put(_pair(first, name, _value(value)))
    return b"".join(parts)


# Most of what spans say is the same from one to the next: what hosts, methods and headers are.
@lru_cache(maxsize=512)
def _short(first: bytes, name: str, text: str) -> bytes:
    return _pair(first, name, _string(text))


@lru_cache(maxsize=512)
def _short_list(first: bytes, name: str, text: str) -> bytes:
    return _pair(first, name, _value((text,)))


def _pair(first: bytes, name: str, encoded: bytes) -> bytes:
    """A tag, the length of a ``KeyValue``, and its key and value behind it."""
    key = _key(name)
    # The key, then tag 2 and the length of the value.
    length = len(key) + 2 + len(encoded)
    if length < 128:
        return b"".join((first, _SMALL[length], key, b"\x12", _SMALL[len(encoded)], encoded))
    size = _varint(len(encoded))
    return b"".join((first, _varint(length - 1 + len(size)), key, b"\x12", size, encoded))


@lru_cache(maxsize=1024)  # attribute names come from few sources; header names are bounded by this
def _key(name: str) -> bytes:
    return _text(0x0A, name)


def _value(value: Any) -> bytes:
    """An ``AnyValue`` message, without its tag."""
    kind = type(value)
    if kind is str:
        return _string(value)
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        return b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)
    if kind is tuple or kind is list:
        items = [_string(each) if type(each) is str else _value(each) for each in value]
        array = b"".join([b"\x0a" + _varint(len(item)) + item for item in items])
        return b"\x2a" + _varint(len(array)) + array
    if kind is float:
        return b"\x21" + _DOUBLE(value)
    if kind is bytes:
        return _binary(value)
    return _rare_value(value)


def _rare_value(value: Any) -> bytes:
    """Values the SDK lets through that we never write: subclasses, maps, None."""
    if value is None:
        return b""
    for kind in (bool, str, int, float, bytes):
        if isinstance(value, kind):
            plain: Any = kind
            return _value(plain(value))
    if isinstance(value, Mapping):
        pairs = _attributes(0x0A, {str(name): each for name, each in value.items()})
        return b"\x32" + _varint(len(pairs)) + pairs
    return _value(list(value) if isinstance(value, Sequence) else str(value))


def _string(text: str) -> bytes:
    # A lone surrogate, which protobuf strings cannot hold, becomes a question mark.
    data = text.encode("utf-8", "replace")
    size = len(data)
    return b"\x0a" + (_SMALL[size] if size < 128 else _varint(size)) + data


def _binary(data: bytes) -> bytes:
    return b"\x3a" + _varint(len(data)) + data


def _text(tag: int, text: str | None) -> bytes:
    """A string field; nothing when it is empty, as proto3 has it."""
    return _message(tag, text.encode("utf-8", "replace")) if text else b""


def _count(tag: int, number: int) -> bytes:
    return _SMALL[tag] + _varint(number) if number else b""


def _message(tag: int, body: bytes) -> bytes:
    return _SMALL[tag] + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    if number < 128:
        return _SMALL[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    written = bytearray()
    while number > 127:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
