"""The body of a request that is sent, teed as the client takes it: never read before, never read twice."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from spantap.capture.recorder import BodyRecorder
from spantap.guard import report


def teed(body: Any, recorder: BodyRecorder, encoding: str = "utf-8") -> Any:
    """What to give the client instead of a body.

    Args:
        body: text, bytes, a buffer, a file, an iterable of them, or None.
        recorder: notes what the client takes.
        encoding: what the client encodes text with.
    """
    if body is None:
        recorder.whole = True
        return None
    if isinstance(body, (bytes, bytearray, str)):
        recorder.chunk(body.encode(encoding, "replace") if isinstance(body, str) else body)
        recorder.whole = True
        return body
    if hasattr(body, "read"):
        return (TeedText if isinstance(body, io.TextIOBase) else TeedFile)(body, recorder, encoding)
    try:
        view = memoryview(body)
    except TypeError:
        # What nobody can iterate over the client refuses in its own words.
        iterable = hasattr(body, "__iter__") or hasattr(body, "__getitem__")
        return TeedIterable(body, recorder, encoding) if iterable else body
    recorder.chunk(view)
    recorder.whole = True
    return body


class TeedFile:
    """A file as the client reads it; everything else is the file's own."""

    def __init__(self, file: Any, recorder: BodyRecorder, encoding: str) -> None:
        self._file = file
        self._recorder = recorder
        self._encoding = encoding

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __repr__(self) -> str:
        return repr(self._file)

    def __iter__(self) -> Iterator[Any]:
        return iter(TeedIterable(self._file, self._recorder, self._encoding))

    def read(self, *args: Any) -> Any:
        """As the file's."""
        data = self._file.read(*args)
        _note(self._recorder, data, self._encoding)
        if not data:
            self._recorder.whole = True
        return data


class TeedText(TeedFile, io.TextIOBase):
    """The same of a text file: that it is one tells the client to encode what it reads."""

    __iter__ = TeedFile.__iter__
    read = TeedFile.read


class TeedIterable:
    """An iterable as the client goes through it, once."""

    def __init__(self, chunks: Any, recorder: BodyRecorder, encoding: str) -> None:
        self._chunks = chunks
        self._recorder = recorder
        self._encoding = encoding

    def __repr__(self) -> str:
        return repr(self._chunks)

    def __iter__(self) -> Iterator[Any]:
        return self._teed(iter(self._chunks))  # begun, or refused, when the client begins

    def _teed(self, chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            _note(self._recorder, chunk, self._encoding)
            yield chunk
        self._recorder.whole = True


def _note(recorder: BodyRecorder, data: Any, encoding: str) -> None:
    try:
        if data:
            recorder.chunk(data.encode(encoding, "replace") if isinstance(data, str) else data)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("noting a request body", error)
