"""A request over `http.client`, which urllib3 and urllib send with: seen at its connection and response.

For the time of one request the connection, one object, notes the headers it writes, and makes a response
that tees what is read from the socket: as it is read, and never more. The response that the client and
the app see is of a subclass of the class it would have been of.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spantap.capture.chunked import Dechunker
from spantap.guard import report
from spantap.otel.client_session import Sending

_VERSIONS = {9: "0.9", 10: "1.0", 11: "1.1", 20: "2"}


@contextmanager
def watched(connection: Any, session: Sending, *, read_inside: bool = False) -> Iterator[None]:
    """While it lasts, what a connection sends and gets is noted.

    Args:
        connection: an `http.client.HTTPConnection`.
        session: of the request that is sent.
        read_inside: see `Sending.head`.
    """
    headers = session.seen.request_headers
    put = connection.putheader
    made = connection.response_class

    def noting(header: Any, *values: Any) -> Any:
        headers.append((_text(header), ", ".join(map(_text, values))))
        return put(header, *values)

    def making(*args: Any, **kwargs: Any) -> Any:
        response = (_teed_class(made) if isinstance(made, type) else made)(*args, **kwargs)
        response._spantap = session, read_inside
        return response

    held = {name: vars(connection)[name] for name in _REPLACED if name in vars(connection)}
    connection.putheader, connection.response_class = noting, making
    try:
        yield
    finally:
        for name in _REPLACED:
            vars(connection).pop(name, None)
        vars(connection).update(held)


_REPLACED = ("putheader", "response_class")


@functools.lru_cache(maxsize=16)
def _teed_class(base: Any) -> Any:
    class TeedResponse(base):  # type: ignore[misc]
        _spantap: Any = None

        def begin(self) -> None:
            super().begin()
            watching, self._spantap = self._spantap, None
            if watching is not None:
                try:
                    _begun(self, *watching)
                except Exception as error:  # noqa: BLE001 - our bug must not reach the app
                    report("noting a response", error)

    TeedResponse.__name__, TeedResponse.__qualname__ = base.__name__, base.__qualname__
    TeedResponse.__module__ = base.__module__
    return TeedResponse


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
        """As the stream's."""
        return self._noted(self._stream.read, *args)

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

    def close(self) -> None:
        """As the stream's; the exchange is over."""
        try:
            self._stream.close()
        finally:
            self._finish()

    def _noted(self, read: Any, *args: Any) -> Any:
        try:
            data = read(*args)
        except BaseException as error:
            self._fail(error)
            raise
        self._note(data)
        return data

    def _into(self, read: Any, buffer: Any) -> Any:
        try:
            count = read(buffer)
        except BaseException as error:
            self._fail(error)
            raise
        self._note(bytes(memoryview(buffer).cast("B")[: count or 0]))
        return count

    def _note(self, data: bytes) -> None:
        try:
            if not data:
                self._at_end = True
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

    def _fail(self, error: BaseException) -> None:
        failed(self._session, error)

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


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
