"""A request over `http.client`, which urllib3 and urllib send with: seen at its connection and response.

For the time of one request the connection, one object, notes the headers it writes, and the response it
makes tees what is read from the socket: as it is read, and never more. Connection and response are of the
classes they would have been of.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple
from urllib.parse import unquote

from spantap.capture.chunked import Dechunker
from spantap.guard import report
from spantap.model import Observation
from spantap.otel.client_session import Sending
from spantap.policy.redact.tally import MASK

_SKIPPED = "@@@SKIP_HEADER@@@"  # what urllib3 is given in the place of a header that is not to be sent
_SHORTEST = 4
_VERSIONS = {9: "0.9", 10: "1.0", 11: "1.1", 20: "2"}


class Asked(NamedTuple):
    """What is known of a request before it is sent.

    Attributes:
        method, scheme, host, port, path, query: of the server it is for, also when it goes by a proxy.
        resends: how often it was sent before.
        headers: as the client has them so far; None when there are none.
        userinfo: name and password that stand in the URL.
    """

    method: str
    scheme: str
    host: str
    port: int | None
    path: str
    query: str
    resends: int
    headers: Any
    userinfo: str = ""


def observed(asked: Asked, start: int) -> Observation:
    """The beginning of what is observed; `start` is in nanoseconds."""
    return Observation(
        method=asked.method,
        scheme=asked.scheme,
        path=asked.path,
        query=asked.query,
        start=start,
        direction="outbound",
        server_address=asked.host,
        server_port=asked.port,
        user_agent=_user_agent(asked.headers),
        resends=asked.resends,
        unshown=_parts(asked.userinfo) if asked.userinfo else frozenset(),
    )


def _parts(userinfo: str) -> frozenset[str]:
    """Name and password, as they stand there and unquoted; what is short stands anywhere by chance."""
    parts = (*userinfo.split(":", 1), *unquote(userinfo).split(":", 1))
    return frozenset(part for part in parts if len(part) >= _SHORTEST)


@contextmanager
def watched(connection: Any, session: Sending, *, read_inside: bool = False) -> Iterator[None]:
    """While it lasts, what a connection sends and gets is noted.

    Args:
        connection: an `http.client.HTTPConnection`.
        session: of the request that is sent.
        read_inside: see `Sending.head`.

    One that is none, but takes the place of one, sends as ever, unwatched.
    """
    try:
        noting = _noting(connection, session, read_inside)
        vars(connection)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("watching a connection", error)
        noting = {}
    with _replaced(connection, noting) if noting else nullcontext():
        yield


def _noting(connection: Any, session: Sending, read_inside: bool) -> dict[str, Any]:
    """What stands in for the connection's own methods."""
    headers = session.seen.request_headers
    put, get = connection.putheader, connection.getresponse

    def putheader(header: Any, *values: Any) -> Any:
        try:
            return put(header, *values)
        finally:  # one that is refused, too: who refuses it quotes it
            if _SKIPPED not in values:
                _note_header(headers, header, values)

    def getresponse(*args: Any, **kwargs: Any) -> Any:
        # Not sooner: connections of botocore's set the class themselves when they send.
        make = connection.response_class

        def making(*args: Any, **kwargs: Any) -> Any:
            response = make(*args, **kwargs)
            try:
                response.begin = functools.partial(_begin, response, response.begin, session, read_inside)
            except Exception as error:  # noqa: BLE001 - our bug must not reach the app
                report("watching a response", error)
            return response

        with _replaced(connection, {"response_class": making}):
            return get(*args, **kwargs)

    return {"putheader": putheader, "getresponse": getresponse}


def _note_header(headers: list[tuple[str, str]], header: Any, values: tuple[Any, ...]) -> None:
    try:
        name, value = _text(header), ", ".join(map(_text, values))
        if "@" in value and name.lower() == "host":  # urllib leaves user and password there
            value = f"{MASK}@{value.rpartition('@')[2]}"
        headers.append((name, value))
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("noting a request header", error)


@contextmanager
def _replaced(connection: Any, attributes: dict[str, Any]) -> Iterator[None]:
    own = vars(connection)
    held = {name: own[name] for name in attributes if name in own}
    own.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            own.pop(name, None)
        own.update(held)


def _begin(response: Any, begin: Any, session: Sending, read_inside: bool) -> None:
    del response.begin
    begin()
    try:
        _begun(response, session, read_inside)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("noting a response", error)


def _begun(response: Any, session: Sending, read_inside: bool) -> None:
    """The headers are read: tee what follows."""
    session.seen.http_version = _VERSIONS.get(response.version)
    ended = response.fp is None or response.length == 0
    session.head(response.status, list(response.headers.items()), ended=ended, read_inside=read_inside)
    if not ended:
        response.fp = TeedStream(
            response.fp, session, None if response.chunked else response.length, response.chunked
        )


class TeedStream:
    """What a response is read from; everything but reading is the stream's own."""

    def __init__(self, stream: Any, session: Sending, length: int | None, chunked: bool) -> None:
        """Args:
        stream: what is read.
        session: of the exchange.
        length: bytes the body has, when that is known.
        chunked: it comes in the chunked transfer coding.
        """
        self._stream = stream
        self._session = session
        self._length = length
        self._dechunker = Dechunker(session.response.chunk) if chunked else None
        self._at_end = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, *args: Any) -> Any:
        """As the stream's. Less than was asked for is all that there is; it does not come in portions."""
        data = self._read(self._stream.read, *args)
        wanted = args[0] if args else None
        if data is not None:  # a socket that does not block has nothing yet
            self._note(data, end=wanted is None or not 0 <= wanted <= len(data))
        return data

    def read1(self, *args: Any) -> Any:
        """As the stream's."""
        return self._noted(self._stream.read1, *args)

    def readline(self, *args: Any) -> Any:
        """As the stream's."""
        return self._noted(self._stream.readline, *args)

    def readinto(self, buffer: Any) -> Any:
        """As the stream's."""
        return self._into(self._stream.readinto, buffer)

    def readinto1(self, buffer: Any) -> Any:
        """As the stream's."""
        return self._into(self._stream.readinto1, buffer)

    def readlines(self, *args: Any) -> list[bytes]:
        """As the stream's."""
        lines: list[bytes] = self._read(self._stream.readlines, *args)
        self._note(b"".join(lines), end=not args or args[0] is None or args[0] <= 0)
        return lines

    def __iter__(self) -> TeedStream:
        iter(self._stream)  # refused, when it is closed
        return self

    def __next__(self) -> bytes:
        line: bytes = self._noted(next, self._stream, b"")
        if not line:
            raise StopIteration
        return line

    def __enter__(self) -> TeedStream:
        self._stream.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """As the stream's; the exchange is over."""
        try:
            self._stream.close()
        finally:
            self._finish()

    def _read(self, read: Any, *args: Any) -> Any:
        try:
            return read(*args)
        except BaseException as error:
            failed(self._session, error)
            raise

    def _noted(self, read: Any, *args: Any) -> Any:
        data = self._read(read, *args)
        # Nothing, when nothing was asked for, says nothing.
        self._note(data, end=not data and args[:1] != (0,))
        return data

    def _into(self, read: Any, buffer: Any) -> Any:
        count = self._read(read, buffer)
        view = memoryview(buffer).cast("B")
        self._note(bytes(view[: count or 0]), end=count == 0 and bool(view))
        return count

    def _note(self, data: bytes, *, end: bool) -> None:
        try:
            if end:
                self._at_end = True
            if not data:
                pass
            elif self._dechunker is not None:
                self._dechunker.feed(data)
            else:
                self._session.response.chunk(data)
            if self._whole:
                self._finish()
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a response body", error)

    @property
    def _whole(self) -> bool:
        if self._dechunker is not None:
            return self._dechunker.done
        size = self._session.response.size
        return self._at_end if self._length is None else size >= self._length

    def _finish(self) -> None:
        session = self._session
        if session.done:
            return
        try:
            whole = session.response.whole = self._whole
            session.finish(None if whole else "unfinished_response" if self._at_end else "unread_response")
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("finishing a request that was sent", error)


def failed(session: Sending, error: BaseException) -> None:
    """A request ended with an exception, which goes on to the app untouched."""
    try:
        if isinstance(error, Exception):
            session.failed(error)
        else:  # a greenlet that is killed, a task that is cancelled, a signal
            session.seen.incomplete = "cancelled"
        session.finish()
    except Exception as ours:  # noqa: BLE001 - our bug must not reach the app
        report("noting an exception", ours)


def unseen(session: Sending, response: Any) -> None:
    """The response is none of `http.client`'s: what it says of itself is all that is known."""
    try:
        session.response.missing = "unseen"
        session.head(response.status, list(response.headers.items()), ended=True)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("noting a response", error)
        session.finish("unread_response")


def _user_agent(headers: Any) -> str | None:
    for name in headers or ():
        if isinstance(name, str) and name.lower() == "user-agent":
            return _text(headers[name])
    return None


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
