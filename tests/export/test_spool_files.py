"""The files of the spool: real ones, torn and damaged at every byte, and locked by real processes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantap.export.spool.journal import Journal
from spantap.export.spool.segment import DONE, RECORDS, WAITING, Run, Segment, UnknownFormatError

HOLD = """
import sys
from pathlib import Path
from spantap.export.spool.journal import Journal

journal = Journal.create(Path(sys.argv[1]))
journal.append([b"one", b"two"], 1 << 20, 60)
print(journal.path, flush=True)
sys.stdin.read()
"""


def written(path: Path, *payloads: bytes) -> Segment:
    segment = Segment(path / f"00000001{RECORDS}")
    segment.append(payloads)
    return segment


def what_is_left(segment: Segment) -> list[bytes | None]:
    return list(segment.payloads(n for n, state in enumerate(segment.states) if state == WAITING))


def test_a_segment_is_read_back(tmp_path: Path) -> None:
    """What was appended is there, in order, without what is done, in a file for its owner's eyes only."""
    segment = written(tmp_path, b"a", b"bb", b"ccc")
    segment.append([b"dddd"])
    segment.mark_done([Run(0, 1, 2)])

    read = Segment.read(segment.path)

    assert what_is_left(read) == [b"a", b"dddd"]
    assert (read.waiting, read.left, read.lost) == (2, 2, 0)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(payloads=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5), data=st.data())
def test_a_torn_end_costs_the_record_it_tore(
    payloads: list[bytes], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Wherever a file ends, the records before are there, and the torn one is counted."""
    folder = tmp_path_factory.mktemp("torn")
    path = written(folder, *payloads[:-1]).path if len(payloads) > 1 else folder / f"00000001{RECORDS}"
    before = path.stat().st_size if path.exists() else 16
    segment = Segment(folder / "whole.records")
    segment.append(payloads)
    whole = segment.path.read_bytes()
    end = data.draw(st.integers(before + 1, len(whole) - 1))
    path.write_bytes(whole[:end])

    read = Segment.read(path)

    assert what_is_left(read) == payloads[:-1]
    assert read.lost == 1


@given(payloads=st.lists(st.binary(min_size=1, max_size=40), min_size=2, max_size=6), data=st.data())
def test_damage_costs_the_record_it_hits(
    payloads: list[bytes], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever byte is another, one record is lost and counted; never is one read that was not written."""
    path = written(tmp_path_factory.mktemp("damaged"), *payloads).path
    whole = bytearray(path.read_bytes())
    whole[data.draw(st.integers(16, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(whole))

    read = Segment.read(path)

    assert read.lost == 1
    left = what_is_left(read)
    assert len(left) == len(payloads) - 1
    assert left in [payloads[:at] + payloads[at + 1 :] for at in range(len(payloads))]


def test_neighbours_that_are_damaged_are_counted_each(tmp_path: Path) -> None:
    """The next good record tells by its number how many are missing before it."""
    payloads = [bytes([number]) * 100 for number in range(10)]
    path = written(tmp_path, *payloads).path
    whole = bytearray(path.read_bytes())
    whole[16 + 3 * 116 : 16 + 6 * 116 - 50] = b"\0" * (3 * 116 - 50)  # three of them, headers and all
    path.write_bytes(bytes(whole))

    read = Segment.read(path)

    assert read.lost == 3
    assert what_is_left(read) == payloads[:3] + payloads[6:]


def test_a_record_may_quote_a_record(tmp_path: Path) -> None:
    """A body that holds the bytes of a record is a body, also beside damage."""
    quoted = written(tmp_path, b"quoted").path.read_bytes()[16:]
    (tmp_path / "x").mkdir()
    path = written(tmp_path / "x", b"first" + quoted, b"second").path
    whole = bytearray(path.read_bytes())
    whole[20] ^= 1
    path.write_bytes(bytes(whole))

    read = Segment.read(path)

    assert b"first" + quoted not in what_is_left(read)
    assert b"second" in what_is_left(read)


def test_damaged_marks_are_passed_over(tmp_path: Path) -> None:
    """A mark that cannot be read costs a second delivery, never a record."""
    segment = written(tmp_path, b"a", b"b", b"c")
    segment.mark_done([Run(0, 0, 1)])
    segment.mark_done([Run(0, 1, 1)])
    marks = segment.path.with_suffix(".marks")
    data = bytearray(marks.read_bytes())
    data[4] ^= 1
    marks.write_bytes(bytes(data) + b"torn")

    assert what_is_left(Segment.read(segment.path)) == [b"a", b"c"]


def test_bit_rot_is_seen_when_a_record_is_read(tmp_path: Path) -> None:
    """Damage that comes after the file was written, too, is seen by the checksum."""
    segment = written(tmp_path, b"a" * 50, b"b" * 50)
    whole = bytearray(segment.path.read_bytes())
    whole[40] ^= 1
    segment.path.write_bytes(bytes(whole))

    assert list(segment.payloads([0, 1])) == [None, b"b" * 50]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """What is no segment of this release is neither read nor deleted."""
    journal = Journal.create(tmp_path / "d")
    (journal.path / f"00000001{RECORDS}").write_bytes(b"spantap spool 2\nwhatever")
    journal.forget()

    with pytest.raises(UnknownFormatError):
        Segment.read(journal.path / f"00000001{RECORDS}")
    adopted = Journal.adopt(journal.path)
    assert adopted is not None
    assert list(adopted.read()) == []
    adopted.close()
    assert (journal.path / f"00000001{RECORDS}").exists()


def test_a_journal_is_adopted_when_its_process_is_dead(tmp_path: Path) -> None:
    """As long as a process lives nobody else takes its records; killed, one other gets them, once."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "d")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        assert Journal.adopt(path) is None
        process.kill()
    adopted = Journal.adopt(path)

    assert adopted is not None
    assert [what_is_left(segment) for segment in adopted.read()] == [[b"one", b"two"]]
    assert Journal.adopt(path) is None
    adopted.segments[0].states[:] = bytes((DONE, DONE))
    adopted.segments[0].left = 0
    adopted.tidy()
    adopted.close()
    assert list((tmp_path / "d").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system does not have")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A child that lives on does not keep others from what its dead parent has left."""
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        journal = Journal.create(tmp_path / "d")
        child = os.fork()
        if child == 0:
            journal.forget()
            os.write(writing, str(journal.path).encode() + b" %d\n" % os.getpid())
            os.read(os.pipe()[0], 1)  # for ever
        os.wait()
    path, child_pid = os.read(reading, 1000).split()
    assert Journal.adopt(Path(os.fsdecode(path))) is None
    os.kill(parent, 9)
    os.waitpid(parent, 0)
    try:
        assert Journal.adopt(Path(os.fsdecode(path))) is not None
    finally:
        os.kill(int(child_pid), 9)


def test_batches_are_remembered_as_they_were_sent(tmp_path: Path) -> None:
    """Order and bounds of a batch survive, also over two files, and also when it was cut in halves."""
    journal = Journal.create(tmp_path / "d")
    first = journal.append([b"0", b"1", b"2"], 1, 60)
    second = journal.append([b"3", b"4", b"5"], 1, 60)
    batch = [(first, 1), (first, 2), (second, 0), (second, 1)]
    journal.begin_batch(batch)
    journal.begin_batch([(second, 2), (first, 0)])
    journal.begin_batch(batch[2:])
    journal.forget()

    adopted = Journal.adopt(journal.path)
    assert adopted is not None
    list(adopted.read())
    begun = [
        [payload for segment, number in each for payload in segment.payloads([number])]
        for each in adopted.begun_batches()
    ]

    assert begun == [[b"5", b"0"], [b"1", b"2"], [b"3", b"4"]]


def test_a_descriptor_is_closed_once(tmp_path: Path) -> None:
    """What is closed is forgotten in every fork afterwards, and its number may long be somebody else's."""
    journal = Journal.create(tmp_path)
    others = [os.dup(0) for _ in range(8)]  # the numbers below are taken
    journal.close()
    anew = [os.dup(0) for _ in range(8)]
    journal.forget()
    journal.forget()

    for each in (*others, *anew):
        os.close(each)  # raises when it is closed already
