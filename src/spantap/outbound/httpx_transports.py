"""What the doors for httpx and httpx2 do: one request is one call of `HTTPTransport` or `AsyncHTTPTransport`.

That is where OpenTelemetry's own instrumentation begins its spans, too; ours goes beneath it. Redirects and
answered challenges are further such calls, within one call of the app's. Requests over other transports
(ASGI, WSGI, mocks, the app's own) do not go over the wire, and are not seen.

The request of the app is never changed: what has other headers, or a body that is teed, is a copy. The
response is the transport's, with its stream teed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from types import ModuleType
from typing import Any, Final, NamedTuple

from spantap.capture.recorder import BodyRecorder
from spantap.guard import report
from spantap.model import Observation
from spantap.otel.client_session import Sending
from spantap.otel.client_tap import ClientTap
from spantap.otel.passage import Passage
from spantap.outbound.beneath import PatchBeneath
from spantap.outbound.excluded import Excluded
from spantap.outbound.http_client import failed
from spantap.outbound.httpx_streams import AsyncTee, Dropped, ReceivedNotes, SentNotes, SyncTee

_PORTS: Final = {"http": 80, "https": 443}
_VERSIONS: Final = {b"HTTP/1.1": "1.1", b"HTTP/2": "2", b"HTTP/1.0": "1.0"}
_BODILESS: Final = frozenset({101, 204, 304})


class _Call:
    """One call of the app's, and what was sent for it."""

    __slots__ = ("redirected", "resends", "urls")

    def __init__(self) -> None:
        self.urls: list[Any] = []
        self.resends = 0
        self.redirected = False

    def resends_of(self, url: Any) -> int:
        """A request is sent: how often it was before. One for a token, in between, is another request."""
        again = self.redirected or url in self.urls
        self.urls.append(url)
        self.redirected = False
        if not again:
            return 0
        self.resends += 1
        return self.resends


_CALL: Final[ContextVar[_Call | None]] = ContextVar("spantap_httpx_call", default=None)


def _end(token: Token[_Call | None]) -> None:
    try:
        _CALL.reset(token)
    except ValueError:
        return  # a coroutine that nobody runs any more is closed from another context


class _Streams(NamedTuple):
    """The module's class of streams, and ours of that class: of bodies that are sent, and received."""

    kind: type
    sent: Any
    received: Any


def _streams(tee: type, kind: type) -> _Streams:
    sent, received = type("SentStream", (tee, kind), {}), type("ReceivedStream", (Dropped, tee, kind), {})
    return _Streams(kind, sent, received)


class Door:
    """The door for a module that is httpx, or made as it is. Thread-safe, but for switching it."""

    def __init__(self, name: str, module: ModuleType) -> None:
        """Args:
        name: what the module is called; one that goes by another name has another door.
        module: has the clients, the transports and the kinds of streams.
        """
        self._name = name
        self._tap: Callable[[], ClientTap] | None = None
        self._excluded = Excluded()
        self._whole = module.ByteStream
        self._blocking = _streams(SyncTee, module.SyncByteStream)
        self._awaited = _streams(AsyncTee, module.AsyncByteStream)
        self._patches = (
            (
                PatchBeneath(module.HTTPTransport, "handle_request", self._handle),
                PatchBeneath(module.AsyncHTTPTransport, "handle_async_request", self._handle_async),
                PatchBeneath(module.Client, "send", self._send),
                PatchBeneath(module.AsyncClient, "send", self._send_async),
            )
            if module.__name__ == name
            else ()
        )

    def instrument(self, tap: Callable[[], ClientTap]) -> None:
        """Capture what is sent from now on.

        Args:
            tap: gives the tap when the first request is sent.
        """
        self._tap = tap
        self._excluded.read_anew()
        for patch in self._patches:
            patch.on()

    def uninstrument(self) -> None:
        """Put the functions back."""
        for patch in reversed(self._patches):
            patch.off()

    # Around the clients' `send` ----------------------------------------------------------------

    def _send(self, original: Any, *args: Any, **kwargs: Any) -> Any:
        token = _CALL.set(_Call())
        try:
            return original(*args, **kwargs)
        finally:
            _end(token)

    async def _send_async(self, original: Any, *args: Any, **kwargs: Any) -> Any:
        token = _CALL.set(_Call())
        try:
            return await original(*args, **kwargs)
        finally:
            _end(token)

    # Around the transports ---------------------------------------------------------------------

    def _handle(self, original: Any, transport: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        opened = self._opened(request, self._blocking)
        if opened is None:
            return original(transport, request, *args, **kwargs)
        passage, sent = opened
        token = passage.enter()
        try:
            response = original(transport, sent, *args, **kwargs)
            if isinstance(passage, Sending):
                self._answered(passage, request, response, self._blocking)
            return response
        except BaseException as error:
            if isinstance(passage, Sending):
                failed(passage, error)
            raise
        finally:
            passage.leave(token)

    async def _handle_async(
        self, original: Any, transport: Any, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        opened = self._opened(request, self._awaited)
        if opened is None:
            return await original(transport, request, *args, **kwargs)
        passage, sent = opened
        token = passage.enter()
        try:
            response = await original(transport, sent, *args, **kwargs)
            if isinstance(passage, Sending):
                self._answered(passage, request, response, self._awaited)
            return response
        except BaseException as error:
            if isinstance(passage, Sending):
                failed(passage, error)
            raise
        finally:
            passage.leave(token)

    def _opened(self, request: Any, streams: _Streams) -> tuple[Passage, Any] | None:
        """The passage of a request, and what to send instead of it; None when nothing is to be done."""
        try:
            if self._tap is None or self._excluded.excludes("httpx", lambda: str(request.url)):
                return None
            call = _CALL.get()
            resends = 0 if call is None else call.resends_of(request.url)
            tap = self._tap()
            passage = tap.open(request.method, _observe, (request, resends))
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("opening a request that is sent", error)
            return None
        return None if passage is None else (passage, self._sent_for(request, passage, tap, streams))

    def _sent_for(self, request: Any, passage: Passage, tap: ClientTap, streams: _Streams) -> Any:
        """The request as it is, or a copy that differs in what is ours."""
        changes: dict[str, Any] = {}
        try:
            carrier: dict[str, str] = {}
            tap.inject(passage, carrier, request.url.raw_host.decode("ascii"))
            headers = request.headers
            if carrier:
                headers = changes["headers"] = headers.copy()
                for name, value in carrier.items():
                    headers[name] = value
            if isinstance(passage, Sending) and passage.captured:
                passage.seen.request_headers = _texts(headers.raw)
                self._tee(request.stream, passage.request, changes, streams)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a request that is sent", error)
        return _changed(request, changes) if changes else request

    def _tee(self, stream: Any, recorder: BodyRecorder, changes: dict[str, Any], streams: _Streams) -> None:
        if type(stream) is self._whole:
            recorder.chunk(b"".join(stream))
            recorder.whole = True
        elif isinstance(stream, streams.kind):
            changes["stream"] = streams.sent(stream, SentNotes(recorder))

    def _answered(self, session: Sending, request: Any, response: Any, streams: _Streams) -> None:
        """The headers are there: note them, and tee what follows."""
        try:
            call = _CALL.get()
            if call is not None:
                call.redirected = response.has_redirect_location
            status, headers = response.status_code, response.headers.raw
            session.seen.http_version = _VERSIONS.get(response.extensions.get("http_version"))
            ended = (
                status in _BODILESS
                or request.method in ("HEAD", "CONNECT")
                or _value(headers, b"content-length") == "0"
            )
            session.head(status, _texts(headers), ended=ended)
            if not ended:
                response.stream = streams.received(response.stream, ReceivedNotes(session))
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a response", error)


def _observe(place: Any, start: int) -> Observation:
    request, resends = place
    url = request.url
    path, _, query = url.raw_path.decode("ascii").partition("?")
    return Observation(
        method=request.method,
        scheme=url.scheme,
        path=path,
        query=query,
        start=start,
        direction="outbound",
        server_address=url.raw_host.decode("ascii"),
        server_port=url.port or _PORTS.get(url.scheme),
        user_agent=_value(request.headers.raw, b"user-agent"),
        resends=resends,
    )


def _changed(request: Any, changes: Mapping[str, Any]) -> Any:
    """A copy of a request, of its own class. `copy.copy` would leave out what makes it one to be sent."""
    copy = object.__new__(type(request))
    vars(copy).update(vars(request), **changes)
    return copy


def _value(headers: list[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    """A header's value. httpx's own way to it looks first how all of them are encoded."""
    for name, value in headers:
        if len(name) == len(wanted) and name.lower() == wanted:
            return value.decode("latin-1")
    return None


def _texts(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
