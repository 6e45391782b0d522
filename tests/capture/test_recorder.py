"""Chunks in, the first bytes and the true size out."""

from __future__ import annotations

import array
import tracemalloc
from typing import Any

import pytest

from spantap.capture.recorder import BodyRecorder


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("chunk", [1, 3, 9, 10, 11, 100])
@pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 99])
def test_the_first_bytes_and_the_size(kind: Any, chunk: int, total: int) -> None:
    """Up to the cap everything is kept, whatever the chunks; every byte is counted."""
    data = bytes(range(total))
    recorder = BodyRecorder(10)
    for start in range(0, total, chunk):
        recorder.chunk(kind(data[start : start + chunk]))
    recorder.chunk(kind(b""))

    seen = recorder.collected()
    assert (seen.data, seen.size) == (data[:10], total)


def test_bytes_are_counted_not_items() -> None:
    """A view of something wider than bytes has more of them than items."""
    wide = memoryview(array.array("I", [1, 2, 3]))
    recorder = BodyRecorder(5)
    recorder.chunk(wide)
    recorder.chunk(wide)

    assert (recorder.size, recorder.collected().data) == (2 * wide.nbytes, wide.tobytes()[:5])


def test_what_is_kept_is_a_copy() -> None:
    """An app may reuse its buffer as soon as it is sent."""
    buffer = bytearray(b"first")
    recorder = BodyRecorder(100)
    recorder.chunk(buffer)
    buffer[:] = b"other"

    assert recorder.collected().data == b"first"


def test_a_stream_of_small_chunks_costs_what_it_holds() -> None:
    """A thousand events kept are one object, not a thousand: streams stay open for long."""
    tracemalloc.start()
    try:
        recorder = BodyRecorder(20 * 1024)
        for number in range(1000):
            recorder.chunk(b"data: %06d\n\n" % number)
        traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*recorder.py")])
    finally:
        tracemalloc.stop()

    held = sum(each.size for each in traces.statistics("filename"))  # not what other threads do meanwhile
    assert recorder.size == 14_000
    assert recorder.size < held < 1.5 * recorder.size


def test_nothing_is_kept_without_a_cap() -> None:
    """Where no body is captured, it is counted."""
    recorder = BodyRecorder(0)
    recorder.chunk(b"--x\r\nContent-Disposition: form-data")

    assert (recorder.size, recorder.collected().data) == (35, b"")
