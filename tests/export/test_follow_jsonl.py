"""What is special about following JSON lines: half lines, rotation, lines nobody can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from codec.test_attributes import span
from codec.test_otlp_json import written
from following import arrived, stored
from spantap.codec.jsonl import to_line
from spantap.export.follow import Follower
from store_writer import numbered


@pytest.mark.parametrize("last", [0, 1, None])
def test_a_line_is_shown_when_it_is_whole(tmp_path: Path, last: int | None) -> None:
    """Half of it is not an error, not counted among the last ones, and not lost."""
    path, line = tmp_path / "s.jsonl", to_line(numbered(3))
    stored("jsonl", path, 1, 2)

    with path.open("ab", buffering=0) as file, Follower(path, last=last) as store:
        file.write(line[:100])
        assert arrived(store) == ([1, 2] if last is None else [2][:last])
        assert arrived(store) == []
        file.write(line[100:-1])
        assert arrived(store) == []
        file.write(line[-1:] + line[:7])
        assert arrived(store) == [3]
        assert not store.unreadable


def test_a_first_line_may_be_half_there(tmp_path: Path) -> None:
    """A file with nothing but the beginning of a record is a store already."""
    path, line = tmp_path / "s.jsonl", to_line(numbered(3))
    path.write_bytes(line[:1])

    with Follower(path, last=5) as store:
        assert arrived(store) == []
        path.write_bytes(line)
        assert arrived(store) == [3]


def test_a_file_that_is_emptied_is_read_from_its_beginning(tmp_path: Path) -> None:
    """As log rotation by copying does, seen empty or not."""
    path = tmp_path / "s.jsonl"
    stored("jsonl", path, 1, 2, 3)

    with Follower(path) as store:
        assert arrived(store) == [1, 2, 3]
        path.write_bytes(b"")
        stored("jsonl", path, 4)
        assert arrived(store) == [4]
        path.write_bytes(b"")
        assert arrived(store) == []
        stored("jsonl", path, 5, 6)
        assert arrived(store) == [5, 6]


def test_what_came_before_a_rotation_is_shown_first(tmp_path: Path) -> None:
    """The end of the file that was moved away, then all of the new one."""
    path = tmp_path / "s.jsonl"
    stored("jsonl", path, 1)

    with Follower(path) as store:
        assert arrived(store) == [1]
        stored("jsonl", path, 2)
        path.rename(tmp_path / "s.jsonl.1")
        stored("jsonl", path, 3)
        assert arrived(store) == [2, 3]


def test_records_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    """A record may span several blocks, wherever one begins to read."""
    path, long = tmp_path / "s.jsonl", b" " * 2_500_000
    lines = [to_line(numbered(number)) for number in range(4)]
    path.write_bytes(lines[0] + lines[1][:-1] + long + b"\n" + lines[2] + long + lines[3])

    for last, shown in ((1, [3]), (2, [2, 3]), (3, [1, 2, 3]), (None, [0, 1, 2, 3])):
        with Follower(path, last=last) as store:
            assert arrived(store) == shown


@pytest.mark.parametrize("line", ['{"version": 99}', "{}", "[]", "3", '{"version": 1}', "{half", "\0\0"])
def test_a_line_nobody_can_read_is_left_out_and_told(tmp_path: Path, line: str) -> None:
    """What another release wrote, or a process that died in the middle, does not hide the others."""
    path = tmp_path / "s.jsonl"
    stored("jsonl", path, 1)
    with path.open("a") as file:
        file.write(f"\n{line}\n")
    stored("jsonl", path, 2)

    for last in (5, None):
        with Follower(path, last=last) as store:
            assert arrived(store) == [1, 2]
            assert store.unreadable


def test_what_a_collector_writes(tmp_path: Path) -> None:
    """A line of OTLP JSON holds any number of exchanges: all are shown, or the last ones."""
    path = tmp_path / "spans.jsonl"
    lines = [written([span(numbered(each)) for each in batch]) for batch in ((1, 2, 3), (4,), (5, 6))]
    path.write_bytes(b'{"resourceMetrics":[]}\n'.join(lines))

    for last in (0, 1, 2, 3, 4, 5, 6, 9):
        with Follower(path, last=last) as store:
            assert arrived(store) == [1, 2, 3, 4, 5, 6][max(6 - last, 0) :]
            with path.open("ab") as file:
                file.write(written([span(numbered(7)), span(numbered(8))]))
            assert arrived(store) == [7, 8]
            assert not store.unreadable
        path.write_bytes(b'{"resourceMetrics":[]}\n'.join(lines))
