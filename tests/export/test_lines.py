"""Files of lines that are set aside, shared, followed and deleted: JSON lines and CSV alike."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from exchanges import exchange
from following import arrived, numbers
from spantap.export import locked_file
from spantap.export.archives import archives
from spantap.export.csv import CSVSink
from spantap.export.follow import Follower
from spantap.export.jsonl import JSONLSink
from spantap.export.lines import LinesSink
from spantap.export.outcome import TryLaterError
from spantap.export.retention import Retention, Rotation
from spantap.model import Exchange, Timing
from store_writer import numbered

TESTS = Path(__file__).parent.parent

both = pytest.mark.parametrize("kind", [JSONLSink, CSVSink])
Kind = Callable[..., LinesSink]


def aged(seconds: float, number: int = 0) -> Exchange:
    """An exchange that began so long ago."""
    start = time.time_ns() - int(seconds * 1e9)
    return exchange(span_id=f"{number + 1:016x}", timing=Timing(start, None, start + 1))


def files(path: Path) -> list[Path]:
    return [*archives(path), path]


@both
def test_rotation_by_rows(kind: Kind, tmp_path: Path) -> None:
    """No file holds more exchanges than asked for, whatever the batch, and all are read, newest first."""
    path = tmp_path / "t.x"
    sink = kind(path, rotation=Rotation(max_rows=4))

    sink.write([numbered(each) for each in range(10)])
    sink.write([numbered(10), numbered(11), numbered(12)])
    sink.close()

    assert [len(list(sink.backwards(each))) for each in files(path)] == [4, 4, 4, 1]
    assert numbers(sink.read()) == list(range(12, -1, -1))
    assert numbers(sink.read(limit=5)) == [12, 11, 10, 9, 8]
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


@both
def test_rotation_by_bytes(kind: Kind, tmp_path: Path) -> None:
    """A file is set aside before it is larger than asked for; one exchange alone may be."""
    path = tmp_path / "t.x"
    most = len(kind(path).line(numbered(0))) * 3
    sink = kind(path, rotation=Rotation(max_bytes=most))

    sink.write([numbered(each) for each in range(10)])

    assert len(archives(path)) >= 3
    heads = len(getattr(sink, "_head", b""))
    assert all(each.stat().st_size <= most + heads for each in files(path))
    assert len(sink.read()) == 10
    large = kind(tmp_path / "large.x", rotation=Rotation(max_bytes=1))
    large.write([numbered(1), numbered(2)])
    assert numbers(large.read()) == [2, 1]


@both
def test_rotation_by_age(kind: Kind, tmp_path: Path) -> None:
    """A file whose first exchange is too old is set aside, by the next batch or when nothing comes."""
    path = tmp_path / "t.x"
    sink = kind(path, rotation=Rotation(max_age=timedelta(hours=1)))

    sink.write([aged(7200, 1)])
    assert archives(path) == []
    sink.write([aged(0, 2), aged(7200, 3)])
    assert len(archives(path)) == 1
    assert sink.expire() == 0
    assert len(archives(path)) == 1

    other = kind(path, rotation=Rotation(max_age=1e-6))
    assert other.expire() == 0
    assert len(archives(path)) == 2
    assert not path.exists()
    assert len(sink.read()) == 3


@both
def test_retention_by_rows(kind: Kind, tmp_path: Path) -> None:
    """Never more than asked for, never much less, and what is gone is counted."""
    sink = kind(tmp_path / "t.x", retention=Retention(max_rows=40))
    gone = 0

    for batch in range(30):
        sink.write([numbered(batch * 7 + each) for each in range(7)])
        gone += sink.expire()
        kept = numbers(sink.read(None))
        assert len(kept) <= 40
        assert kept == list(range(batch * 7 + 6, batch * 7 + 6 - len(kept), -1))
        assert gone + len(kept) == batch * 7 + 7
    assert len(kept) >= 30


@both
def test_retention_by_bytes(kind: Kind, tmp_path: Path) -> None:
    """All files together stay within the bound."""
    path = tmp_path / "t.x"
    most = len(kind(path).line(numbered(0))) * 80
    sink = kind(path, retention=Retention(max_bytes=most))

    for batch in range(40):
        sink.write([numbered(batch * 7 + each) for each in range(7)])
        assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= most
    assert sink.expire() + len(sink.read(None)) == 280
    assert len(sink.read(None)) >= 50


@both
def test_retention_by_age(kind: Kind, tmp_path: Path) -> None:
    """What is too old goes, also from a file that nobody writes to any more."""
    sink = kind(tmp_path / "t.x", retention=Retention(max_age=3600))

    sink.write([aged(7200, 1), aged(7100, 2)])
    sink.write([aged(1000, 3)])
    assert sink.expire() == 2
    assert [each.span_id for each in sink.read()] == [aged(0, 3).span_id]
    assert sink.expire() == 0

    assert kind(tmp_path / "t.x", retention=Retention(max_age=900)).expire() == 1
    assert archives(tmp_path / "t.x") == []
    assert sink.read() == []


@both
def test_a_rotation_that_is_no_finer_than_the_retention(kind: Kind, tmp_path: Path) -> None:
    """It would delete all there is: an error that says so."""
    with pytest.raises(ValueError, match="max_bytes of the rotation is 10: use less"):
        kind(tmp_path / "t.x", retention=Retention(max_bytes=10), rotation=Rotation(max_bytes=10))
    with pytest.raises(ValueError, match="max_rows = 0: use more than 0"):
        Retention(max_rows=0)


@both
def test_a_file_renamed_or_deleted_by_somebody_else(kind: Kind, tmp_path: Path) -> None:
    """The next batch goes into a new file, beginning like every file."""
    path = tmp_path / "t.x"
    sink = kind(path)
    sink.write([numbered(1)])
    path.rename(tmp_path / "t.x.1")
    sink.write([numbered(2)])
    path.unlink()
    sink.write([numbered(3)])

    assert numbers(kind(tmp_path / "t.x.1").read()) == [1]
    assert numbers(sink.read()) == [3]


@both
def test_a_file_that_another_process_holds(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for, and not for ever; whoever has waited writes to what the path names then."""
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "t.x"
    sink = kind(path)
    sink.write([numbered(1)])
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with monkeypatch.context() as impatient:
            impatient.setattr(locked_file, "_BUSY_SECONDS", 0.05)
            with pytest.raises(TryLaterError, match="holds the file"):
                sink.write([numbered(2)])
        waiting = threading.Thread(target=sink.write, args=([numbered(2)],))
        waiting.start()
        path.rename(tmp_path / "t.x.1")
        fcntl.flock(other, fcntl.LOCK_UN)
        waiting.join(60)

    assert numbers(sink.read()) == [2]
    assert numbers(kind(tmp_path / "t.x.1").read()) == [1]


@both
def test_a_pipe_is_written_to(kind: Kind, tmp_path: Path) -> None:
    """What is no regular file is neither locked nor read: /dev/stdout will do."""
    reading, writing = os.pipe()
    try:
        sink = kind(f"/dev/fd/{writing}", rotation=Rotation(max_rows=1))
        sink.write([numbered(1), numbered(2)])
        assert os.read(reading, 1 << 16) == sink.line(numbered(1)) + sink.line(numbered(2))
        sink.close()
    finally:
        os.close(reading)
        os.close(writing)


@both
def test_two_processes_and_rotation(kind: Kind, tmp_path: Path) -> None:
    """Two that write and set aside lose nothing, mix nothing, and hold no file too many exchanges."""
    path = tmp_path / "t.x"
    command = [sys.executable, "-m", "store_writer", f"{kind(path).name}:3", str(path)]
    start = str(time.time() + 1.5)
    writers = [subprocess.Popen([*command, str(worker), start], cwd=TESTS) for worker in range(2)]

    assert [writer.wait(60) for writer in writers] == [0, 0]
    sink = kind(path)
    read = sink.read(None)
    assert len(read) == 200
    wanted = {numbered(number, worker).span_id for number in range(100) for worker in range(2)}
    assert {each.span_id for each in read} == wanted
    counts = [len(list(sink.backwards(each))) for each in files(path)]
    assert max(counts) <= 3
    assert all(counts)


def test_two_processes_rotation_and_a_tail(tmp_path: Path) -> None:
    """Whoever follows sees every exchange once, however often the file is set aside between two looks."""
    path = tmp_path / "t.jsonl"
    command = [sys.executable, "-m", "store_writer", "jsonl:3", str(path)]
    start = str(time.time() + 1.5)
    seen: list[str] = []
    with Follower(path) as store:
        writers = [subprocess.Popen([*command, str(worker), start], cwd=TESTS) for worker in range(2)]
        deadline = time.monotonic() + 60
        while any(writer.poll() is None for writer in writers) and time.monotonic() < deadline:
            seen += [each.span_id for each in store.arrived()]
        seen += [each.span_id for each in store.arrived()]

    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(archives(path)) > 30
    wanted = [numbered(number, worker).span_id for number in range(100) for worker in range(2)]
    assert sorted(seen) == sorted(wanted)


def test_a_tail_that_looks_seldom(tmp_path: Path) -> None:
    """Files set aside between two looks, a gap with no file at all included, are read in their order."""
    path = tmp_path / "t.jsonl"
    sink = JSONLSink(path, rotation=Rotation(max_rows=2))
    sink.write([numbered(1)])
    with Follower(path) as store:
        assert arrived(store) == [1]
        sink.write([numbered(each) for each in range(2, 8)])
        assert arrived(store) == [2, 3, 4, 5, 6, 7]
        JSONLSink(path, rotation=Rotation(max_age=1e-6)).expire()
        assert not path.exists()
        assert arrived(store) == []
        sink.write([numbered(each) for each in range(8, 13)])
        assert arrived(store) == [8, 9, 10, 11, 12]


def test_the_line_a_process_could_not_finish(tmp_path: Path) -> None:
    """JSON lines go on in the next line; a CSV file is set aside, for its quotes may be open."""
    for kind in (JSONLSink, CSVSink):
        path = tmp_path / kind.name
        sink = kind(path)
        sink.write([numbered(1)])
        torn = sink.line(numbered(2))[:-20]
        with path.open("ab") as file:
            file.write(torn)
        sink.write([numbered(3)])

        assert numbers(sink.read()) == [3, 1]
    assert len(archives(tmp_path / "jsonl")) == 0
    assert len(archives(tmp_path / "csv")) == 1


def test_equal_stores_are_one(tmp_path: Path) -> None:
    """The same class, place and terms make the same store, so that an app made twice may name it twice."""
    path = tmp_path / "t.x"
    assert JSONLSink(path) == JSONLSink(str(path))
    assert JSONLSink(path) != CSVSink(path)
    assert JSONLSink(path) != JSONLSink(path, retention=Retention(max_rows=8))
    assert CSVSink(path) != CSVSink(path, columns=["path"])
    assert len({JSONLSink(path), JSONLSink(path)}) == 1


@both
def test_one_that_took_long_takes_no_others_along(kind: Kind, tmp_path: Path) -> None:
    """How old a file is counts from the end of what is in it: a stream of two hours has just been written."""
    now = time.time_ns()
    long = exchange(span_id="f" * 16, timing=Timing(now - 7200 * 10**9, None, now))
    sink = kind(tmp_path / "t.x", retention=Retention(max_age=3600))
    sink.write([long, *(aged(0, number) for number in range(10))])
    sink.write([aged(0, 99)])
    assert len(sink.read()) == 12


def test_a_torn_beginning_does_not_keep_a_file_young(tmp_path: Path) -> None:
    """The first line that can be read tells how old a file is."""
    path = tmp_path / "t.jsonl"
    JSONLSink(path).write([aged(7200)])
    path.write_bytes(b'{"version":1,"tra\n' + path.read_bytes())
    sink = JSONLSink(path, retention=Retention(max_age=3600))
    sink.write([aged(0, 1)])
    sink.expire()
    assert [each.span_id for each in sink.read()] == [f"{2:016x}"]


@both
def test_a_clock_that_is_set_back(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go first, whatever the clock says meanwhile."""
    ahead = [3600 * 10**9]
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + ahead[0])
    sink = kind(tmp_path / "t.x", rotation=Rotation(max_rows=1), retention=Retention(max_rows=8))
    for number in range(16):
        if number == 8:
            ahead[0] = 0
        sink.write([numbered(number)])
        sink.expire()
    assert numbers(sink.read()) == list(range(15, 15 - len(sink.read()), -1))


def test_a_table_in_another_charset(tmp_path: Path) -> None:
    """A file that is none of ours, whatever its bytes, is set aside; nothing that is captured is lost."""
    path = tmp_path / "t.csv"
    path.write_bytes("zeit;größe\r\n1;2\r\n".encode("latin-1"))
    sink = CSVSink(path, retention=Retention(max_age=3600))
    sink.write([aged(0, number) for number in range(5)])
    assert {f"{number + 1:016x}" for number in range(5)} <= {each.span_id for each in sink.read()}
    assert len(archives(path)) == 1
