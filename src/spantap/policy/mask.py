"""A clean exchange the app's `mask` hook may change, and what becomes of it.

What the hook writes is the app's own word and not redacted again. Bounds hold as for everything
else: a hook cannot make a record that is too large, or one that no destination can write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from spantap.capture import raised
from spantap.capture.limits import CaptureLimits
from spantap.model import Body, Error, Exchange, Request, Response
from spantap.policy.bounds import METADATA_MAX_BYTES, METRICS_MAX, cut, named, within
from spantap.policy.well_formed import well_formed

REMOVED: Final = "mask"  # why a body is not shown: the hook took it out
FAILED: Final = "mask-failed"


class _Unread:
    """Nobody has asked for the body. The class itself stands for it: copies of it are it."""


class EditableMessage:
    """One half of a clean exchange.

    Attributes:
        headers: lower-case names and the list of their values; may be changed.
    """

    __slots__ = ("_body", "_kept", "headers")

    def __init__(self, message: Request | Response) -> None:
        self.headers: dict[str, Any] = {name: list(values) for name, values in message.headers.items()}
        self._kept = message.body
        self._body: Any = _Unread

    @property
    def body(self) -> Any:
        """The redacted body: JSON as dict, list, text, number, to be changed in place; else text.

        None when there is none to show. Assign another value to put it in its place, None to show none.
        """
        if self._body is _Unread:
            self._body = _parsed(self._kept, self.headers)
        return self._body

    @body.setter
    def body(self, value: Any) -> None:
        self._body = value

    def made(self, most: int) -> Body:
        """The body as the hook left it, at most so many bytes of it.

        Raises:
            TypeError: the hook made it something that is no body.
        """
        kept, value = self._kept, self._body
        if value is _Unread or value is kept.content:
            return kept
        if value is None:
            return Body(size=kept.size, withheld=kept.withheld or REMOVED)
        content: str | bytes
        if isinstance(value, (str, bytes)) and not (
            isinstance(kept.content, str) and value == _parsed(kept, self.headers)
        ):
            content = value
        else:
            content = _dumped(value)
            if isinstance(kept.content, str) and content == _dumped(_parsed(kept, self.headers)):
                return kept  # as it was: written as the app wrote it
        if isinstance(content, bytes):
            return Body(content[:most], kept.size, len(content) > most)
        shown, truncated = cut(well_formed(content), most)
        return Body(shown, kept.size, truncated or kept.truncated)


class EditableRequest(EditableMessage):
    """The request.

    Attributes:
        method, scheme: as they were; changes have no effect.
        path, query: may be changed.
    """

    __slots__ = ("method", "path", "query", "scheme")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.method = request.method
        self.scheme = request.scheme
        self.path = request.path
        self.query = request.query


class EditableResponse(EditableMessage):
    """The response.

    Attributes:
        status: as it was; changes have no effect.
    """

    __slots__ = ("status",)

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.status = response.status


class EditableExchange:
    """A redacted exchange on its way out: what `mask` is called with and returns.

    Attributes:
        request, response: the two halves, bodies and headers of which may be changed.
        user, email, company, session, device: who is behind it; may be changed.
        metadata, metrics: the app's own facts; may be changed.
        error_message: the text of the exception; may be changed.
        trace_id, span_id, route, endpoint, error_type, client_address, duration_ms: as they were;
            changes have no effect.
    """

    __slots__ = (
        "client_address",
        "company",
        "device",
        "duration_ms",
        "email",
        "endpoint",
        "error_message",
        "error_type",
        "metadata",
        "metrics",
        "request",
        "response",
        "route",
        "session",
        "span_id",
        "trace_id",
        "user",
    )

    def __init__(self, exchange: Exchange) -> None:
        self.request = EditableRequest(exchange.request)
        self.response = EditableResponse(exchange.response)
        identity, error = exchange.identity, exchange.error
        self.user = identity.user
        self.email = identity.email
        self.company = identity.company
        self.session = identity.session
        self.device = identity.device
        self.metadata: dict[str, Any] = orjson.loads(orjson.dumps(exchange.metadata))
        self.metrics = dict(exchange.metrics)
        self.error_type = None if error is None else error.type
        self.error_message = None if error is None else error.message
        self.trace_id = exchange.trace_id
        self.span_id = exchange.span_id
        self.route = exchange.route
        self.endpoint = exchange.endpoint
        self.client_address = exchange.client.address
        self.duration_ms = exchange.timing.duration / 1e6


def masked(exchange: Exchange, left: EditableExchange, limits: CaptureLimits) -> Exchange:
    """An exchange as the hook left it.

    Args:
        exchange: what the hook was given.
        left: what it returned.
        limits: bounds of bodies and headers.

    Raises:
        TypeError: something in it is of no use (a path that is no text, ...).
    """
    request, response = left.request, left.response
    asked, more_dropped = within(_pairs(request.headers), limits)
    answered, also_dropped = within(_pairs(response.headers), limits)
    error = exchange.error
    return replace(
        exchange,
        request=replace(
            exchange.request,
            path=_text(request.path)[: max(len(exchange.request.path), limits.header_bytes)],
            query=_text(request.query)[: max(len(exchange.request.query), limits.header_bytes)],
            headers=asked,
            headers_dropped=exchange.request.headers_dropped + more_dropped,
            body=request.made(limits.request_body),
        ),
        response=replace(
            exchange.response,
            headers=answered,
            headers_dropped=exchange.response.headers_dropped + also_dropped,
            body=response.made(limits.response_body),
        ),
        identity=replace(
            exchange.identity,
            user=_id(left.user),
            email=_id(left.email),
            company=_id(left.company),
            session=_id(left.session),
            device=_id(left.device),
        ),
        error=None if error is None else Error(error.type, _message(left.error_message)),
        metadata=_metadata(left.metadata),
        metrics={
            named(_text(name)): float(value) for name, value in list(left.metrics.items())[:METRICS_MAX]
        },
    )


def without_bodies(exchange: Exchange) -> Exchange:
    """An exchange whose mask has failed: what should have been masked may be in the bodies."""
    request, response = exchange.request, exchange.response
    return replace(
        exchange,
        request=replace(request, body=_withheld(request.body)),
        response=replace(response, body=_withheld(response.body)),
    )


def _withheld(body: Body) -> Body:
    return body if body.content is None else Body(size=body.size, withheld=FAILED)


def _parsed(body: Body, headers: Mapping[str, Any]) -> Any:
    content = body.content
    if not isinstance(content, str):
        return content
    media_type = "".join(headers.get("content-type", ())[:1]).partition(";")[0].strip().lower()
    if body.truncated or not media_type.endswith(("/json", "+json")):
        return content
    try:
        return json.loads(content)  # keeps whole numbers of any length, which orjson does not
    except (ValueError, RecursionError):
        return content


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise TypeError("a body that is no JSON") from None


def _pairs(headers: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, values in headers.items():
        for value in (values,) if isinstance(values, str) else values or ():
            yield well_formed(_text(name)).lower(), well_formed(_text(value))


def _metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    written = orjson.dumps(metadata, option=orjson.OPT_NON_STR_KEYS)
    if len(written) > METADATA_MAX_BYTES:
        raise TypeError("metadata that are too long")
    loaded: Any = orjson.loads(written)
    if not isinstance(loaded, dict):
        raise TypeError("metadata that are no object")
    return loaded


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text where one belongs")
    return well_formed(value)


def _message(value: Any) -> str | None:
    return None if value is None else raised.shown(_text(value), raised.MESSAGE_MAX)


def _id(value: Any) -> str | None:
    if value is None:
        return None
    return named(str(value) if isinstance(value, int) else _text(value))
