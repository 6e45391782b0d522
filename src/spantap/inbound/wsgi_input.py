"""``wsgi.input`` that notes what the app reads from it, and is otherwise the input it was.

Only the methods PEP 3333 names are noted, and ``readinto``, which Werkzeug uses when it is
there. What is not in PEP 3333 is offered only when the server's input offers it: frameworks
choose by that.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from spantap.capture.recorder import BodyRecorder
from spantap.guard import report


def tee_input(stream: Any, recorder: BodyRecorder, content_length: int | None) -> Any:
    """The input, noting into a recorder what is read.

    Args:
        stream: the server's ``wsgi.input``.
        recorder: gets the bytes.
        content_length: bytes the body has, when the request says so.
    """
    offered = tuple([name for name in _OPTIONAL if hasattr(stream, name)])
    return _kind(offered)(stream, recorder, content_length)


@cache  # there are few combinations
def _kind(offered: tuple[str, ...]) -> type[_Input]:
    return type("_Input", (_Input,), {"__slots__": (), **{name: _OPTIONAL[name] for name in offered}})


class _Input:
    """See the module. Anything not defined here is the server's input's own."""

    __slots__ = ("_length", "_recorder", "_stream")

    def __init__(self, stream: Any, recorder: BodyRecorder, content_length: int | None) -> None:
        self._stream = stream
        self._recorder = recorder
        self._length = content_length
        if not content_length:
            # No body, or a chunked one whose end only an empty read shows.
            recorder.whole = content_length == 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, *args: Any, **kwargs: Any) -> Any:
        data = self._stream.read(*args, **kwargs)
        self._note(data, at_end=not data and args != (0,))
        return data

    def readline(self, *args: Any, **kwargs: Any) -> Any:
        data = self._stream.readline(*args, **kwargs)
        self._note(data, at_end=not data)
        return data

    def readlines(self, *args: Any, **kwargs: Any) -> Any:
        lines = self._stream.readlines(*args, **kwargs)
        for line in lines:
            self._note(line, at_end=False)
        return lines

    def __iter__(self) -> Iterator[Any]:
        for line in self._stream:
            self._note(line, at_end=False)
            yield line
        self._note(b"", at_end=True)

    def _note(self, data: Any, *, at_end: bool) -> None:
        try:
            recorder = self._recorder
            if data:
                recorder.chunk(data)
            if at_end or (self._length is not None and recorder.size >= self._length):
                recorder.whole = True
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a request body", error)


def _readinto(self: _Input, buffer: Any) -> Any:
    count = self._stream.readinto(buffer)
    self._note(memoryview(buffer)[:count] if count else b"", at_end=not count)
    return count


def _next(self: _Input) -> Any:
    try:
        line = next(self._stream)
    except StopIteration:
        self._note(b"", at_end=True)
        raise
    self._note(line, at_end=False)
    return line


def _enter(self: _Input) -> Any:
    entered = self._stream.__enter__()
    return self if entered is self._stream else entered


def _exit(self: _Input, *raised: Any) -> Any:
    return self._stream.__exit__(*raised)


_OPTIONAL: Final = {"readinto": _readinto, "__next__": _next, "__enter__": _enter, "__exit__": _exit}
