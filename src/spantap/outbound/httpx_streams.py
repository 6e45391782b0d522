"""Bodies of httpx as they pass: what goes through is what would go through without us, chunk by chunk.

Each is a stream whose iterator hands on the chunks of the one it is around, and a generator's own ways
of being ended, too. None of ours is a generator: one more of them would have to be ended, by somebody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

from spantap.capture.recorder import BodyRecorder
from spantap.guard import report
from spantap.otel.client_session import Sending
from spantap.outbound.http_client import failed


class SentNotes:
    """Notes the body of a request."""

    __slots__ = ("_recorder",)

    def __init__(self, recorder: BodyRecorder) -> None:
        self._recorder = recorder

    def chunk(self, data: Any) -> None:
        """Bytes that are sent; what is none, httpx will say so."""
        try:
            if len(data):
                self._recorder.chunk(data.encode() if isinstance(data, str) else data)
        except TypeError:
            pass
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a request body", error)

    def end(self) -> None:
        """That was all."""
        self._recorder.whole = True

    def fail(self, error: BaseException) -> None:
        """Its source has raised: the request fails with that, which is noted there."""

    def close(self) -> None:
        """It was closed; what is sent is over with the request."""


class ReceivedNotes:
    """Notes the body of a response, with which its exchange is over.

    A response that the app keeps keeps its stream, and that us: the exchange is let go of at its end.
    """

    __slots__ = ("_session",)

    def __init__(self, session: Sending) -> None:
        self._session: Sending | None = session

    def chunk(self, data: bytes) -> None:
        """Bytes that the app is about to get, still in their content-coding."""
        session = self._session
        if session is None:
            return
        try:
            session.response.chunk(data)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a response body", error)

    def end(self) -> None:
        """That was all."""
        if self._session is not None:
            self._session.response.whole = True
            self._finish()

    def fail(self, error: BaseException) -> None:
        """It broke off."""
        session, self._session = self._session, None
        if session is not None and not session.done:
            failed(session, error)

    def close(self) -> None:
        """The app wants no more of it."""
        self._finish()

    def drop(self) -> None:
        """The app has let go of it without closing it."""
        session, self._session = self._session, None
        try:
            if session is not None and not session.done:
                session.dropped("unread_response")
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("finishing a request that was sent", error)

    def _finish(self) -> None:
        session, self._session = self._session, None
        if session is None or session.done:
            return
        try:
            if not session.response.whole:
                session.response.whole = session.response.size == _length(session.seen.response_headers)
            session.finish(None if session.response.whole else "unread_response")
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("finishing a request that was sent", error)


Notes = SentNotes | ReceivedNotes


class TeedStream:
    """What all streams below have. `__getattr__`: whatever else the stream has that it is around."""

    def __init__(self, stream: Any, notes: Notes) -> None:
        self._stream = stream
        self._notes = notes

    def __getattr__(self, name: str) -> Any:
        if name == "_stream":
            raise AttributeError(name)
        return getattr(self._stream, name)


class SyncTee(TeedStream):
    """A stream for the client that blocks."""

    def __iter__(self) -> Iterator[Any]:
        return _Chunks(self, iter(self._stream), self._notes)

    def close(self) -> None:
        """Close the stream; the app wants no more of it."""
        try:
            self._stream.close()
        finally:
            self._notes.close()


class AsyncTee(TeedStream):
    """A stream for the client that is awaited."""

    def __aiter__(self) -> AsyncIterator[Any]:
        return _AsyncChunks(self, self._stream.__aiter__(), self._notes)

    async def aclose(self) -> None:
        """Close the stream; the app wants no more of it."""
        try:
            await self._stream.aclose()
        finally:
            self._notes.close()


class Dropped:
    """For streams of responses: one that goes away is over."""

    _notes: ReceivedNotes

    def __del__(self) -> None:
        self._notes.drop()


class _Chunks:
    __slots__ = ("_chunks", "_notes", "_stream")

    def __init__(self, stream: SyncTee, chunks: Any, notes: Notes) -> None:
        self._stream = stream  # it is not dropped as long as somebody reads
        self._chunks = chunks
        self._notes = notes

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._notes.end()
            raise
        except BaseException as error:
            self._notes.fail(error)
            raise
        self._notes.chunk(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:  # of a generator: `close`, `throw`
        return getattr(self._chunks, name)


class _AsyncChunks:
    __slots__ = ("_chunks", "_notes", "_stream")

    def __init__(self, stream: AsyncTee, chunks: Any, notes: Notes) -> None:
        self._stream = stream
        self._chunks = chunks
        self._notes = notes

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    def __anext__(self) -> _AsyncChunks:
        return self

    def __await__(self) -> Generator[Any, Any, Any]:
        """The next chunk. No coroutine: a loop in debug mode keeps track of each, and there are many."""
        try:
            step = self._chunks.__anext__()
            chunk = yield from step.__await__() if hasattr(step, "__await__") else step
        except StopAsyncIteration:
            self._notes.end()
            raise
        except BaseException as error:
            self._notes.fail(error)
            raise
        self._notes.chunk(chunk)
        return chunk

    # Who looks whether it is an async generator, to end it, looks for these in the class.

    async def asend(self, value: Any) -> Any:
        """As an async generator's."""
        return await self._chunks.asend(value)

    async def athrow(self, *error: Any) -> Any:
        """As an async generator's."""
        return await self._chunks.athrow(*error)

    async def aclose(self) -> None:
        """As an async generator's; what is none needs none."""
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()


def _length(headers: list[tuple[str, str]]) -> int | None:
    """How long a response says its body is."""
    for name, value in headers:
        if name.lower() == "content-length":
            return int(value) if value.isdecimal() else None
    return None
