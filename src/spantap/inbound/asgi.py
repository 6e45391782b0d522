"""The ASGI door: messages pass at once and unchanged; what passes is noted.

Follows the ASGI 3 HTTP specification and its extensions (trailers, path send, zero-copy send,
early hints). Nothing is read that the app does not read, nothing is held that it sends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from opentelemetry.instrumentation._semconv import _StabilityMode
from opentelemetry.instrumentation.asgi import asgi_getter, collect_request_attributes
from opentelemetry.util.http import ExcludeList

from spantap.guard import report
from spantap.inbound.route import describe_scope
from spantap.model import Observation
from spantap.otel.session import Session
from spantap.otel.tap import Tap

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Describe = Callable[[Observation, Scope], None]

SESSION: Final = "spantap.session"  # in the scope: this request has passed a door already
_FLUSH_SECONDS: Final = 5.0
# Starlette's and FastAPI's own telemetry look here before they begin a SERVER span.
_STARLETTE: Final = "starlette.opentelemetry"
_FASTAPI: Final = "fastapi.telemetry"

_request_attributes: Callable[..., dict[str, Any]] = collect_request_attributes


class ASGIDoor:
    """Wraps an ASGI app. One object serves all requests; each request has its own `_Exchange`.

    Attributes:
        app: the app inside.
    """

    def __init__(
        self,
        app: ASGIApp,
        tap: Callable[[], Tap],
        excluded: ExcludeList | None = None,
        describe: Describe = describe_scope,
    ) -> None:
        """Args:
        app: an ASGI 3 callable.
        tap: gives the tap when the first request comes.
        excluded: URLs that get neither span nor record (``OTEL_PYTHON_EXCLUDED_URLS``).
        describe: fills in route and endpoint before the exchange is finished.
        """
        self.app = app
        self._tap = tap
        self._excluded = excluded
        self._describe = describe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind == "http":
            session = self._open(scope)
            if session is not None:
                await _Exchange(session, scope, receive, send, self._describe).run(self.app)
                return
        elif kind == "lifespan":
            send = self._flushing(send)
        await self.app(scope, receive, send)

    def _open(self, scope: Scope) -> Session | None:
        if SESSION in scope:
            return None
        try:
            if self._excluded is not None and self._excluded.url_disabled(_url(scope)):
                return None
            seen = _observe(scope)
            session = self._tap().open(
                seen, scope, asgi_getter, lambda: _request_attributes(scope, _StabilityMode.HTTP)
            )
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("opening a request", error)
            return None
        if session is not None:
            scope[SESSION] = session
            if session.owned:
                # One SERVER span: those inside stand down, or would begin a second trace.
                scope.setdefault(_STARLETTE, True)
                scope.setdefault(_FASTAPI, None)
        return session

    def _flushing(self, send: Send) -> Send:
        """Deliver what is queued before the server is told that the app has shut down.

        uvicorn re-raises the signal that stopped it, so `atexit` may never come.
        """

        async def flushing_send(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                try:
                    tap = self._tap()
                    if tap.bound:
                        await asyncio.get_running_loop().run_in_executor(None, tap.flush, _FLUSH_SECONDS)
                except Exception as error:  # noqa: BLE001 - our bug must not reach the app
                    report("flushing at shutdown", error)
            await send(message)

        return flushing_send


class _Exchange:
    """One request on its way through: the `receive` and `send` the app gets."""

    __slots__ = (
        "_complete",
        "_describe",
        "_disconnected",
        "_receive",
        "_scope",
        "_send",
        "_session",
        "_trailers",
    )

    def __init__(
        self, session: Session, scope: Scope, receive: Receive, send: Send, describe: Describe
    ) -> None:
        self._session = session
        self._describe = describe
        self._scope = scope
        self._receive = receive
        self._send = send
        self._trailers = False
        self._complete = False
        self._disconnected = False

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
            session.seen.status = message["status"]
            self._trailers = message.get("trailers", False)
            headers = message.get("headers")
            if headers is not None and not isinstance(headers, (list, tuple)):
                # An iterable may be good for one reading only, and the server needs it.
                headers = list(headers)
                message = {**message, "headers": headers}
            session.seen.response_headers = _decoded(headers or ())
            last = False
        elif kind == "http.response.trailers":
            last = self._trailers and not message.get("more_trailers", False)
        elif kind in ("http.response.pathsend", "http.response.zerocopysend"):
            session.first_byte()
            session.response.missing = "file"
            last = kind == "http.response.pathsend" or not message.get("more_body", False)
        else:
            last = False
        if last:
            self._describe(session.seen, self._scope)
            session.before_last_byte()
        return message, last

    def _fail(self, error: BaseException) -> None:
        try:
            if isinstance(error, Exception):
                self._session.failed(error)
            elif isinstance(error, asyncio.CancelledError):
                self._session.seen.incomplete = "cancelled"
            else:
                self._session.failed(error)
        except Exception as ours:  # noqa: BLE001 - our bug must not reach the app
            report("noting an exception", ours)

    def _finish(self) -> None:
        try:
            self._describe(self._session.seen, self._scope)
            incomplete = None
            if not self._complete:
                if self._disconnected:
                    incomplete = "client_disconnected"
                elif self._session.seen.error_type is None:
                    incomplete = "no_response" if self._session.seen.status is None else "unfinished_response"
            self._session.finish(incomplete)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("finishing a request", error)


def _observe(scope: Mapping[str, Any]) -> Observation:
    client = scope.get("client") or (None, None)
    return Observation(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        path=scope["path"],
        query=scope.get("query_string", b"").decode("latin-1"),
        start=time.time_ns(),
        http_version=scope.get("http_version"),
        client_address=client[0],
        client_port=client[1],
        request_headers=_decoded(scope["headers"]),
    )


def _decoded(headers: Any) -> list[tuple[str, str]]:
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
