"""The door for aiohttp's client: every request it sends, each retry and each redirect by itself.

One call of the app's is one `ClientSession._request`. For each request that comes of it the session asks its
connector for a connection, which is where ours begins; it sends it, and waits for the headers of the
response. What is done with the bodies is in `aiohttp_streams`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final

import aiohttp
from aiohttp import ClientRequest, ClientResponse, ClientSession, StreamReader, compression_utils
from aiohttp.connector import BaseConnector
from opentelemetry import trace

from spantap.guard import logger, report
from spantap.model import Observation
from spantap.otel.client_session import Sending
from spantap.otel.client_tap import ClientTap
from spantap.outbound.aiohttp_streams import can_tee, tee_reader, tee_writer
from spantap.outbound.excluded import Excluded
from spantap.outbound.http_client import failed
from spantap.outbound.patching import Patch

NAME: Final = "aiohttp"
_HOP: Final = "_spantap"
_VERSIONS: Final = {(1, 0): "1.0", (1, 1): "1.1"}
_SWITCHING_PROTOCOLS: Final = 101
_PLAIN: Final = str.__str__
# What its parser takes off before a reader sees it; it knows zstd since 3.13.
_CODINGS: Final = {"gzip", "deflate", "br", *(["zstd"] if hasattr(compression_utils, "HAS_ZSTD") else [])}

_tap: Callable[[], ClientTap] | None = None
_excluded = Excluded()


def instrument(tap: Callable[[], ClientTap]) -> None:
    """Capture what is sent from now on, also by sessions that are there already.

    Args:
        tap: gives the tap when the first request is sent.
    """
    global _tap  # one capture per process
    if missing := _missing():
        logger.warning("aiohttp %s has no %s: what it sends is not captured", aiohttp.__version__, missing)
        return
    _tap = tap
    _excluded.read_anew()
    for patch in _PATCHES:
        patch.on()


def uninstrument() -> None:
    """Put the functions back; responses that are being read are read as before."""
    for patch in reversed(_PATCHES):
        patch.off()


def _missing() -> str:
    """What this door stands on and this aiohttp does not have."""
    missing = [
        f"{owner.__name__}.{name}"
        for owner, names in _NEEDED.items()
        for name in names
        if not callable(getattr(owner, name, None))
    ]
    if not missing and not can_tee(StreamReader):
        missing = ["StreamReader that can be teed"]
    return ", ".join(missing)


class _Call:
    """One call of the app's.

    Attributes:
        decompresses: whether aiohttp takes off the content-coding of what comes.
        count: requests sent for it so far.
        hop: the newest of them, until its response begins.
    """

    __slots__ = ("count", "decompresses", "hop")

    def __init__(self, session: ClientSession, decompresses: bool | None) -> None:
        self.decompresses = (
            getattr(session, "auto_decompress", True) if decompresses is None else decompresses
        )
        self.count = 0
        self.hop: _Hop | None = None

    def over(self, error: BaseException | None = None) -> None:
        """The app gets a response or an exception, which is what became of a request without a response."""
        hop, self.hop = self.hop, None
        if hop is not None:
            failed(hop.passage, error or hop.error or asyncio.CancelledError())
            hop.error = None  # its frames know the hop


class _Hop:
    """A request that has no response yet; lies on aiohttp's request, then on its response.

    Attributes:
        error: what it failed with. aiohttp may send it again, or tell the app something else.
    """

    __slots__ = ("call", "error", "passage")

    def __init__(self, call: _Call, passage: Any) -> None:
        self.call = call
        self.passage = passage
        self.error: BaseException | None = None

    def failed(self, error: BaseException) -> None:
        """It has failed."""
        self.passage.passed()
        if self.call.hop is self:
            self.error = error
        else:  # not the newest: two at once
            failed(self.passage, error)


_CALL: Final[ContextVar[_Call | None]] = ContextVar("spantap_aiohttp_call", default=None)


async def _request(original: Any, session: Any, *args: Any, **kwargs: Any) -> Any:
    call = _Call(session, kwargs.get("auto_decompress"))
    token = _CALL.set(call)
    try:
        response = await original(session, *args, **kwargs)
    except BaseException as error:
        call.over(error)
        raise
    finally:
        with suppress(ValueError):  # closed from another context
            _CALL.reset(token)
    call.over()
    return response


def _connect(original: Any, connector: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
    hop = None
    try:
        hop = _opened(req)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("opening a request that is sent", error)
    connecting = original(connector, req, *args, **kwargs)
    return connecting if hop is None else _inside(hop, connecting)


def _send(original: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
    hop = getattr(req, _HOP, None)
    sending = original(req, *args, **kwargs)
    if hop is None:
        return sending
    return _sending(hop, req, sending) if isinstance(hop.passage, Sending) else _inside(hop, sending)


def _write_bytes(original: Any, req: Any, writer: Any, *args: Any, **kwargs: Any) -> Any:
    hop = getattr(req, _HOP, None)
    if hop is not None and isinstance(hop.passage, Sending):
        try:
            hop.passage.request.uncoded = bool(req.compress)  # packed after we have seen it
            tee_writer(writer, hop.passage.request, req.headers.get("Content-Length"))
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a request body", error)
    return original(req, writer, *args, **kwargs)


def _start(original: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
    hop = vars(response).pop(_HOP, None)
    starting = original(response, *args, **kwargs)
    return starting if hop is None else _starting(hop, response, starting)


async def _inside(hop: _Hop, doing: Awaitable[Any]) -> Any:
    """Await it with the request's span current."""
    passage = hop.passage
    token = passage.enter()
    try:
        return await doing
    except BaseException as error:
        if isinstance(passage, Sending):
            hop.failed(error)
        raise
    finally:
        passage.leave(token)


async def _sending(hop: _Hop, req: Any, sending: Awaitable[Any]) -> Any:
    hop.passage.request.whole = True  # until a body is written
    try:
        response = await _inside(hop, sending)
        setattr(response, _HOP, hop)
        return response
    finally:
        vars(req).pop(_HOP, None)
        try:
            hop.passage.seen.request_headers = _headers(req)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting request headers", error)


async def _starting(hop: _Hop, response: Any, starting: Awaitable[Any]) -> Any:
    try:
        started = await starting
    except BaseException as error:
        hop.failed(error)
        raise
    try:
        _begun(hop, response)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("noting a response", error)
    return started


def _opened(req: Any) -> _Hop | None:
    """What a request that is about to be connected needs from us; None when that is nothing."""
    call = _CALL.get()
    if call is None or _tap is None:
        return None
    again, call.count = call.count, call.count + 1
    earlier, call.hop = call.hop, None
    if earlier is not None and earlier.error is not None:
        failed(earlier.passage, earlier.error)
        earlier.error = None
    if _excluded.excludes(NAME, lambda: str(req.url)):
        return None
    tap = _tap()
    # Not aiohttp's request itself, which would live for as long as the span does.
    place = req.method, req.url, req.headers.get("User-Agent"), again
    passage = tap.open(req.method, _observe, place, again=again > 0, begun=not again and _begun_for(req))
    if passage is None:
        return None
    try:
        tap.inject(passage, req.headers, req.url.raw_host)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("writing the trace on a request", error)
    hop = _Hop(call, passage)
    setattr(req, _HOP, hop)
    if isinstance(passage, Sending):
        call.hop = hop
    return hop


def _observe(place: Any, start: int) -> Observation:
    method, url, user_agent, again = place
    return Observation(
        method=method,
        scheme=url.scheme,
        path=url.raw_path,
        query=url.raw_query_string,
        start=start,
        direction="outbound",
        server_address=url.raw_host,
        server_port=url.port,
        user_agent=user_agent,
        resends=again,
    )


def _begun_for(req: Any) -> bool:
    """Whether OpenTelemetry's own instrumentation has begun the current span for this very call."""
    for each in getattr(req, "_traces", ()):
        span = getattr(getattr(each, "_trace_config_ctx", None), "span", None)
        if span is not None and span is trace.get_current_span():
            return True
    return False


def _begun(hop: _Hop, response: Any) -> None:
    """The headers are read: tee what follows."""
    session: Sending = hop.passage
    reader = response.content
    ended = reader is aiohttp.EMPTY_PAYLOAD or reader.at_eof() or response.status == _SWITCHING_PROTOCOLS
    session.seen.http_version = _VERSIONS.get(tuple(response.version))
    session.head(response.status, _headers(response), ended=ended)
    if not ended:
        coding = response.headers.get("Content-Encoding", "").lower()
        session.response.uncoded = hop.call.decompresses and coding in _CODINGS
        tee_reader(reader, session)
    if hop.call.hop is hop:
        hop.call.hop = None


def _headers(message: Any) -> list[tuple[str, str]]:
    """Its headers; in multidicts names are of a class of their own, which not all that writes them takes.

    What is no text aiohttp refuses, once it comes to write it.
    """
    pairs = message.headers.items()
    return [(_PLAIN(name), _PLAIN(value) if isinstance(value, str) else str(value)) for name, value in pairs]


_PATCHES: Final = (
    Patch(ClientRequest, "send", _send),
    Patch(ClientRequest, "write_bytes", _write_bytes),
    Patch(ClientResponse, "start", _start),
    Patch(BaseConnector, "connect", _connect),
    Patch(ClientSession, "_request", _request),
)
_NEEDED: Final[dict[type[Any], tuple[str, ...]]] = {
    ClientSession: ("_request",),
    BaseConnector: ("connect",),
    ClientRequest: ("send", "write_bytes"),
    ClientResponse: ("start",),
    StreamReader: ("_read_nowait_chunk", "feed_eof", "set_exception", "at_eof"),
}
