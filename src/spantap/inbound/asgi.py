"""The ASGI door: messages pass at once and unchanged; what passes is noted.

Follows the ASGI 3 HTTP specification and its extensions (trailers, path send, zero-copy send,
early hints). Nothing is read that the app does not read, nothing is held that it sends.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from opentelemetry.instrumentation.asgi import asgi_getter
from opentelemetry.util.http import ExcludeList

from spantap.guard import report
from spantap.inbound.hidden import hiding_send
from spantap.inbound.route import describe_scope
from spantap.inbound.said import framework_request, note_scope
from spantap.model import Observation
from spantap.otel.hooked import HookedSession
from spantap.otel.passage import Passage
from spantap.otel.session import SESSION, Session
from spantap.otel.tap import Tap

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = Iterable[tuple[bytes, bytes]]

# In the scope: this request has passed a door already, which looks at it or (None) does not.
_FLUSH_SECONDS: Final = 5.0
# Starlette's and FastAPI's own telemetry look here before they begin a SERVER span.
_STARLETTE: Final = "starlette.opentelemetry"
_FASTAPI: Final = "fastapi.telemetry"


class ASGIDoor:
    """Wraps an ASGI app. One object serves all requests; each request has its own `_Exchange`.

    Attributes:
        app: the app inside.
    """

    def __init__(self, app: ASGIApp, tap: Callable[[], Tap], excluded: ExcludeList | None = None) -> None:
        """Args:
        app: an ASGI 3 callable.
        tap: gives the tap when the first request comes.
        excluded: URLs that get neither span nor record (``OTEL_PYTHON_EXCLUDED_URLS``).
        """
        self.app = app
        self._tap = tap
        self._excluded = excluded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind == "http":
            passage = None
            if SESSION not in scope:
                try:
                    tap = self._tap()
                    if tap.hidden_headers:
                        send = hiding_send(send, tap.hidden_headers)
                    passage = self._open(scope, tap)
                except Exception as error:  # noqa: BLE001 - our bug must not reach the app
                    report("opening a request", error)
            if isinstance(passage, Session):
                running = _Exchange(passage, scope, receive, send).run(self.app)
                await (_before_freeze(tap, running) if tap.freezes else running)
                return
            if passage is not None:
                tokens = passage.enter()
                try:
                    await self.app(scope, receive, send)
                finally:
                    passage.leave(tokens)
                return
        elif kind == "lifespan":
            self._begin()
            send = self._flushing(send)
        await self.app(scope, receive, send)

    def _open(self, scope: Scope, tap: Tap) -> Passage | None:
        if "headers" not in scope:
            return None  # it comes from no server: somebody made it by hand
        if self._excluded is not None and self._excluded.url_disabled(_url(scope)):
            return None
        headers = scope["headers"]
        if not isinstance(headers, (list, tuple)):
            # An iterable may be good for one reading only, and the app needs it.
            headers = scope["headers"] = list(headers)
        fields = tap.tracing.propagation_fields
        propagated = not fields or not _octets(fields).isdisjoint([name for name, _ in headers])
        passage = tap.open(scope["method"], _observe, scope, asgi_getter, propagated=propagated)
        if passage is None:
            return None
        session = passage if isinstance(passage, Session) else None
        scope[SESSION] = session
        if session is None or session.owned:
            # One SERVER span: those inside stand down, or would begin a second trace.
            scope.setdefault(_STARLETTE, True)
            scope.setdefault(_FASTAPI, None)
        return passage

    def _begin(self) -> None:
        """The server starts: what an earlier process has left on disk need not wait for a request."""
        try:
            self._tap().processor.begin()
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("starting with the server", error)

    def _flushing(self, send: Send) -> Send:
        """Deliver what is queued before the server is told that the app has shut down.

        uvicorn re-raises the signal that stopped it, so `atexit` may never come.
        """

        async def flushing_send(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                try:
                    tap = self._tap()
                    if tap.freezes:
                        await _in_a_thread(tap.flush_before_freeze)
                    elif tap.bound:
                        await _in_a_thread(functools.partial(tap.flush, _FLUSH_SECONDS))
                except Exception as error:  # noqa: BLE001 - our bug must not reach the app
                    report("flushing at shutdown", error)
            await send(message)

        return flushing_send


class _Exchange:
    """One request on its way through: the `receive` and `send` the app gets."""

    __slots__ = (
        "_complete",
        "_disconnected",
        "_receive",
        "_request_headers",
        "_response_headers",
        "_scope",
        "_send",
        "_session",
        "_trailers",
    )

    def __init__(self, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        self._session = session
        self._scope = scope
        self._receive = receive
        self._send = send
        # Copied, because the app may change the list; decoded only when the exchange is kept.
        self._request_headers = list(scope["headers"])
        self._response_headers: RawHeaders = ()
        self._trailers = False
        self._complete = False
        self._disconnected = False
        session.complete = self.describe
        if isinstance(session, HookedSession):
            session.native = scope

    async def run(self, app: ASGIApp) -> None:
        session = self._session
        captured = session.captured
        tokens = session.enter()
        try:
            await app(self._scope, self.receive if captured else self._receive, self.send)
        except BaseException as error:
            # BaseException: a cancelled request is over as well.
            self._fail(error)
            raise
        finally:
            session.leave(tokens)
            self._finish()

    async def receive(self) -> Message:
        message = await self._receive()
        try:
            if message["type"] == "http.request":
                recorder = self._session.request
                body = message.get("body")
                if body:
                    recorder.chunk(body)
                if not message.get("more_body", False):
                    recorder.whole = True
            elif not self._complete:  # http.disconnect
                self._disconnected = True
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a request body", error)
        return message

    async def send(self, message: Message) -> None:
        last = False
        try:
            message, last = self._note(message)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a response", error)
        await self._send(message)
        if last:
            self._complete = True
            self._session.passed()
            # An exception that was answered with a 500 still comes our way: wait for it.
            if (self._session.seen.status or 0) < 500:
                self._finish()

    def _note(self, message: Message) -> tuple[Message, bool]:
        """Note a message before it goes on; whether it is the last one."""
        session = self._session
        kind = message["type"]
        if kind == "http.response.body":
            body = message.get("body")
            if body:
                session.first_byte()
                session.response.chunk(body)
            last = not message.get("more_body", False)
            if last:
                session.response.whole = True
            last = last and not self._trailers
        elif kind == "http.response.start":
            session.answered(message["status"])
            self._trailers = message.get("trailers", False)
            headers = message.get("headers")
            if headers is not None and not isinstance(headers, (list, tuple)):
                # An iterable may be good for one reading only, and the server needs it.
                headers = list(headers)
                message = {**message, "headers": headers}
            self._response_headers = list(headers or ())
            last = False
            if session.captured:
                note_scope(session.seen, self._scope, session.data_attribute)
                if isinstance(session, HookedSession):
                    session.framework_request = framework_request(self._scope)
        elif kind == "http.response.trailers":
            last = self._trailers and not message.get("more_trailers", False)
        elif kind in ("http.response.pathsend", "http.response.zerocopysend"):
            session.first_byte()
            session.response.missing = "file"
            last = kind == "http.response.pathsend" or not message.get("more_body", False)
        else:
            last = False
        if last:
            session.before_last_byte()
        return message, last

    def _why_incomplete(self) -> str | None:
        seen = self._session.seen
        if self._disconnected:
            return "client_disconnected"
        if seen.status is not None:
            return "unfinished_response"
        return None if seen.error_type is not None else "no_response"

    def describe(self) -> None:
        """What the session asks for when the exchange is made."""
        seen = self._session.seen
        describe_scope(seen, self._scope)
        seen.request_headers = _decoded(self._request_headers)
        seen.response_headers = _decoded(self._response_headers)

    def _fail(self, error: BaseException) -> None:
        try:
            if isinstance(error, (asyncio.CancelledError, GeneratorExit)) or _is_trios(error):
                self._session.seen.incomplete = "cancelled"
            else:
                self._session.failed(error)
        except Exception as ours:  # noqa: BLE001 - our bug must not reach the app
            report("noting an exception", ours)

    def _finish(self) -> None:
        try:
            self._session.finish(None if self._complete else self._why_incomplete())
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("finishing a request", error)


async def _before_freeze(tap: Tap, running: Awaitable[None]) -> None:
    """Serve a request, and deliver it before whoever called us hears that it is over."""
    try:
        await running
    finally:
        await _in_a_thread(tap.flush_before_freeze)


async def _in_a_thread(work: Callable[[], object]) -> None:
    """Run it beside the event loop, asyncio's or trio's: hypercorn has both."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        await sys.modules["trio"].to_thread.run_sync(work)
    else:
        await loop.run_in_executor(None, work)


def _is_trios(error: BaseException) -> bool:
    """Whether it is the cancellation of a request that trio runs."""
    trio = sys.modules.get("trio")
    return trio is not None and isinstance(error, trio.Cancelled)


def _observe(scope: Mapping[str, Any], start: int) -> Observation:
    client = scope.get("client") or (None, None)
    server = scope.get("server") or (None, None)
    user_agent = None
    for name, value in scope["headers"]:
        if name == b"user-agent":
            user_agent = value.decode("latin-1")
    return Observation(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        path=scope["path"],
        query=scope.get("query_string", b"").decode("latin-1"),
        start=start,
        http_version=scope.get("http_version"),
        client_address=client[0],
        client_port=client[1],
        server_address=server[0],
        server_port=server[1],
        user_agent=user_agent,
    )


@functools.lru_cache(maxsize=64)
def _octets(fields: frozenset[str]) -> frozenset[bytes]:
    return frozenset(name.encode("latin-1") for name in fields)


def _decoded(headers: RawHeaders) -> list[tuple[str, str]]:
    # Header values are octets; latin-1 keeps each of them (RFC 9110, section 5.5).
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]


def _url(scope: Mapping[str, Any]) -> str:
    """The full URL, as contrib builds it for its exclusion rules."""
    server = scope.get("server") or ("0.0.0.0", 80)  # noqa: S104 - a name in a URL, not a socket
    host = f"{server[0]}:{server[1]}" if str(server[1]) != "80" else server[0]
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1")
            break
    return f"{scope.get('scheme', 'http')}://{host}{scope.get('path', '')}"
