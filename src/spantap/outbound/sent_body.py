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
        return TeedFile(body, recorder, encoding)
    try:
        view = memoryview(body)
    except TypeError:
        return TeedIterable(body, recorder, encoding)
    recorder.chunk(view)
    recorder.whole = True
    return body


class TeedFile:
    """A file as the client reads it; everything else is the file's own."""

    def __init__(self, file: Any, recorder: BodyRecorder, encoding: str) -> None:
        self._file = file
        self._recorder = recorder
        self._encoding = encoding if isinstance(file, io.TextIOBase) else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(TeedIterable(self._file, self._recorder, self._encoding or "utf-8"))

    def read(self, *args: Any) -> Any:
        """The next bytes; text is encoded, as the client would."""
        data = self._file.read(*args)
        if self._encoding is not None and isinstance(data, str):
            data = data.encode(self._encoding)
        _note(self._recorder, data, "utf-8")
        return data


class TeedIterable:
    """An iterable as the client goes through it, once."""

    def __init__(self, chunks: Any, recorder: BodyRecorder, encoding: str) -> None:
        self._chunks = chunks
        self._recorder = recorder
        self._encoding = encoding

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._chunks:
            if len(chunk):
                _note(self._recorder, chunk, self._encoding)
            yield chunk
        self._recorder.whole = True


def _note(recorder: BodyRecorder, data: Any, encoding: str) -> None:
    try:
        if data:
            recorder.chunk(data.encode(encoding, "replace") if isinstance(data, str) else data)
        else:
            recorder.whole = True
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("noting a request body", error)
