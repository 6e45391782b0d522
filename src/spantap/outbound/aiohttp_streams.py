"""The two streams of an aiohttp exchange, teed: what is written, and what the app takes of what has come.

Both tees are subclasses that an object is given for the time of one exchange, and that have no state of their
own: so the parser, the connection and the app go on with the object they had. Of the response is noted what
leaves its buffer, where all of the reader's methods meet, not what arrives there: nothing is read for us.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from typing import Any, Final

from aiohttp import ClientConnectionError

from spantap.capture.recorder import BodyRecorder
from spantap.guard import report
from spantap.otel.client_session import Sending
from spantap.outbound.http_client import failed

_RECORDER: Final = "_spantap"
_LENGTH: Final = "_spantap_length"


def tee_writer(writer: Any, recorder: BodyRecorder, length: str | None) -> None:
    """Note what is written from now on.

    Args:
        writer: an `aiohttp.http_writer.StreamWriter`.
        recorder: of the request.
        length: its Content-Length.
    """
    vars(writer)[_RECORDER] = recorder
    vars(writer)[_LENGTH] = int(length) if length is not None and length.isdecimal() else None
    base: Any = type(writer)
    writer.__class__ = _teed_writer(base)
    recorder.whole = False


@functools.lru_cache(maxsize=8)
def _teed_writer(base: Any) -> Any:
    class TeedWriter(base):  # type: ignore[misc]
        def write(self, chunk: Any, *args: Any, **kwargs: Any) -> Any:
            _note_written(self, chunk)
            return base.write(self, chunk, *args, **kwargs)

        def write_eof(self, chunk: Any = b"") -> Any:
            _note_written(self, chunk)
            vars(self)[_RECORDER].whole = True
            return base.write_eof(self, chunk)

    return _named_as(base, TeedWriter)


def _note_written(writer: Any, chunk: Any) -> None:
    try:
        if chunk:
            recorder = vars(writer)[_RECORDER]
            recorder.chunk(chunk)
            # Who is answered now need not wait for the client to find out that there is no more.
            recorder.whole = recorder.size == vars(writer)[_LENGTH]
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("noting a request body", error)


class _Tee:
    """The exchange a reader belongs to; it does not know the reader, which must be free to go."""

    __slots__ = ("loop", "session")

    def __init__(self, session: Sending) -> None:
        self.session = session
        self.loop = asyncio.get_running_loop()

    def dropped(self) -> None:
        """Nobody can read it any more."""
        try:
            self.session.finish("unread_response")
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("finishing a request that was sent", error)


# Readers have slots: neither an attribute nor a weak reference finds room. Each takes its entry out itself.
_TEES: Final[dict[int, _Tee]] = {}


def tee_reader(reader: Any, session: Sending) -> None:
    """Note what the app takes from now on, and finish the exchange at its end.

    Args:
        reader: an `aiohttp.StreamReader`.
        session: of the exchange.
    """
    base: Any = type(reader)
    teed = _teed_reader(base)
    _TEES[id(reader)] = _Tee(session)
    reader.__class__ = teed


def can_tee(reader: Any) -> bool:
    """Whether readers of a class can be given another one: their layouts have to agree."""
    try:
        reader.__new__(reader).__class__ = _teed_reader(reader)
    except TypeError:
        return False
    return True


@functools.lru_cache(maxsize=8)
def _teed_reader(base: Any) -> Any:
    class TeedReader(base):  # type: ignore[misc]
        __slots__ = ()

        def _read_nowait_chunk(self, n: int) -> bytes:
            data: bytes = base._read_nowait_chunk(self, n)
            _note_taken(self, base, data)
            return data

        def feed_eof(self) -> None:
            base.feed_eof(self)
            _note_taken(self, base, b"")

        def set_exception(self, exc: BaseException, *args: Any) -> None:
            base.set_exception(self, exc, *args)
            _note_broken(self, base, exc)

        def __del__(self) -> None:
            tee = _TEES.pop(id(self), None)
            if tee is not None and not tee.session.done:
                try:  # not here: the collector may have come in the middle of anything
                    tee.loop.call_soon_threadsafe(tee.dropped)
                except RuntimeError:  # the loop is closed
                    tee.dropped()

    return _named_as(base, TeedReader)


def _note_taken(reader: Any, base: Any, data: bytes) -> None:
    """The app has taken bytes, or the end has come."""
    try:
        tee = _TEES.get(id(reader))
        if tee is None:
            return
        response = tee.session.response
        again = response.size - (reader._cursor - len(data))
        if again > 0:  # `unread_data`: taken before, and put back
            data = data[again:]
        if data:
            response.chunk(data)
        # While bytes are taken the parser may go on, to the end: they are noted first.
        if reader.at_eof() and response.size >= reader.total_bytes:
            _let_go(reader, base)
            response.whole = True
            tee.session.finish()
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("noting a response body", error)


def _note_broken(reader: Any, base: Any, exc: BaseException) -> None:
    """Nothing can be taken any more: the response failed, or the app has closed it."""
    try:
        tee = _let_go(reader, base)
        if tee is None or tee.session.done:
            return
        if type(exc) is not ClientConnectionError:
            failed(tee.session, exc)
            return
        # Closed or released: because of what is on its way through the app?
        passing = sys.exc_info()[1]
        if isinstance(passing, (asyncio.CancelledError, asyncio.TimeoutError)):
            failed(tee.session, passing)
        else:
            tee.session.finish("unread_response")
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("finishing a request that was sent", error)


def _let_go(reader: Any, base: Any) -> _Tee | None:
    reader.__class__ = base
    return _TEES.pop(id(reader), None)


def _named_as(base: Any, teed: Any) -> Any:
    teed.__name__, teed.__qualname__, teed.__module__ = base.__name__, base.__qualname__, base.__module__
    return teed
