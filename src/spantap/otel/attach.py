"""Whose span is this request's? The one in force may belong to it, or to somebody else.

A SERVER span is current at a door when another instrumentation outside of us has begun one for
this very request (then the exchange is written on it), but also when an app is called from
within another request (httpx's ASGI transport, a test client), from a script, or when somebody
leaked a context (then it is a parent at most).
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.trace import Span, SpanKind


def is_span_of(span: Span, method: str, path: str, client_port: int | None, taken: Container[int]) -> bool:
    """Whether a recording span is the SERVER span of the request described, to write the exchange on.

    Args:
        span: the current span.
        method: the request's method.
        path: the request's path.
        client_port: the port the client called from, when known.
        taken: ids of spans that belong to exchanges of ours already.
    """
    if getattr(span, "kind", None) is not SpanKind.SERVER or span.get_span_context().span_id in taken:
        return False
    attributes = getattr(span, "attributes", None)
    return isinstance(attributes, Mapping) and _describe(attributes, method, path, client_port)


def is_span_of_call(span: Span, method: str, host: str | None, taken: Container[int]) -> bool:
    """Whether a recording span is the CLIENT span of a request we send, to write the exchange on.

    Args:
        span: the current span.
        method: the request's method.
        host: whom it is sent to.
        taken: ids of spans that belong to exchanges of ours already.
    """
    if getattr(span, "kind", None) is not SpanKind.CLIENT or span.get_span_context().span_id in taken:
        return False
    attributes = getattr(span, "attributes", None)
    if not isinstance(attributes, Mapping):
        return False
    described = attributes.get("http.request.method") or attributes.get("http.method")
    if described != method and described != "_OTHER":
        return False
    url = attributes.get("url.full") or attributes.get("http.url")
    try:
        return url is None or host is None or urlsplit(str(url)).hostname == host.lower()
    except ValueError:  # not a URL
        return False


def _describe(attributes: Mapping[str, Any], method: str, path: str, client_port: int | None) -> bool:
    """Whether HTTP attributes, old or stable, describe this request: the method must, nothing may differ."""
    described = attributes.get("http.request.method") or attributes.get("http.method")
    if described != method and described != "_OTHER":
        return False
    port = attributes.get("client.port") or attributes.get("net.peer.port")
    if port is not None and client_port is not None and str(port) != str(client_port):
        return False
    target = attributes.get("url.path") or attributes.get("http.target") or attributes.get("http.url")
    return target is None or urlsplit(str(target)).path == path
