"""`spantap tail` while others write, move, delete and lock the store."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from following import KINDS
from spantap.codec.jsonl import to_line
from tail_process import (
    COMMAND,
    EVERY,
    PATIENCE,
    TESTS,
    both,
    environment,
    following,
    numbered,
    stored,
)


@both
def test_it_waits_for_the_store_and_shows_what_another_process_writes(tmp_path: Path, kind: str) -> None:
    """It says once that it waits, creates nothing, shows each exchange once, and Ctrl-C is 130 in silence."""
    with following(tmp_path, "later") as running:
        assert running.complaint() == "spantap tail: later is not there yet; waiting for it\n"
        assert list(tmp_path.iterdir()) == []
        writer = subprocess.Popen(
            [sys.executable, "-m", "store_writer", kind, str(tmp_path / "later"), "1"], cwd=TESTS
        )
        assert running.paths(100) == ["/users/7"] * 100
        assert writer.wait(PATIENCE) == 0
        assert running.nothing_more()
        # On a busy machine it may look in between: the store is there, and nothing in it.
        nothing_yet = "spantap tail: later is empty; waiting for the first exchange\n"
        status, said = running.stopped()
        assert (status, said.replace(nothing_yet, "", 1)) == (130, "")


@both
def test_what_arrives_is_shown_while_its_writer_goes_on(tmp_path: Path, kind: str) -> None:
    """Although the store is open elsewhere, and nothing is folded yet."""
    sink = KINDS[kind](tmp_path / "store")
    sink.write([numbered(0), numbered(1)])

    with following(tmp_path, "store", "-n1") as running:
        assert running.paths(1) == ["/n/1"]
        for number in (2, 3):
            sink.write([numbered(number)])
            assert running.paths(1) == [f"/n/{number}"]
    sink.close()


@both
def test_it_follows_a_store_that_is_deleted_and_made_anew(tmp_path: Path, kind: str) -> None:
    """It says so once, and shows the new one from its beginning."""
    path = tmp_path / "store"
    stored(path, numbered(1), kind=kind)

    with following(tmp_path, "store") as running:
        assert running.paths(1) == ["/n/1"]
        for each in tmp_path.iterdir():
            each.unlink()
        assert running.complaint() == "spantap tail: store is gone; waiting for a new one\n"
        stored(path, numbered(2), numbered(3), kind=kind)
        assert running.paths(2) == ["/n/2", "/n/3"]
        assert running.stopped() == (130, "")


def test_json_lines_that_are_rotated_are_followed(tmp_path: Path) -> None:
    """Moved away and begun anew, as logrotate does, and emptied, as it does with `copytruncate`."""
    path = tmp_path / "s.jsonl"
    stored(path, numbered(1), kind="jsonl")

    with following(tmp_path, "s.jsonl") as running:
        assert running.paths(1) == ["/n/1"]
        path.rename(tmp_path / "s.jsonl.1")
        stored(path, numbered(2), kind="jsonl")
        assert running.paths(1) == ["/n/2"]
        path.write_bytes(b"")
        assert running.complaint().startswith("spantap tail: s.jsonl is ")  # empty, or for a moment gone
        stored(path, numbered(3), kind="jsonl")
        assert running.paths(1) == ["/n/3"]


def test_half_a_line_is_shown_when_it_is_whole(tmp_path: Path) -> None:
    """A record that is still being written is neither shown nor complained about."""
    line = to_line(numbered(2))
    stored(tmp_path / "s.jsonl", numbered(1), kind="jsonl")

    with following(tmp_path, "s.jsonl") as running, (tmp_path / "s.jsonl").open("ab", buffering=0) as file:
        file.write(line[:50])
        assert running.paths(1) == ["/n/1"]
        assert running.nothing_more()
        file.write(line[50:])
        assert running.paths(1) == ["/n/2"]
        assert running.stopped() == (130, "")


def test_a_locked_store_is_waited_for(tmp_path: Path) -> None:
    """It says that it cannot read it just now, and shows everything when its writer lets go."""
    stored(tmp_path / "spantap.db", numbered(1))

    with closing(sqlite3.connect(tmp_path / "spantap.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=DELETE")
        writer.execute("BEGIN EXCLUSIVE")
        with following(tmp_path) as running:
            assert (
                running.complaint() == "spantap tail: spantap.db cannot be read at the moment; trying again\n"
            )
            writer.execute("COMMIT")
            assert running.paths(1) == ["/n/1"]
            assert running.stopped() == (130, "")


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_ctrl_c_ends_it_though_nobody_reads(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Stuck in the middle of a line, with a pipe that is full: it ends, and in silence."""
    fcntl, termios = (pytest.importorskip(name) for name in ("fcntl", "termios"))
    stored(tmp_path / "spantap.db", *map(numbered, range(2000)))

    with following(tmp_path, "-n", "all", *words, read=False) as running:
        assert running.process.stdout
        pipe, before, waiting = running.process.stdout.fileno(), -1, 0
        while not waiting or waiting != before:  # until no more fits in
            time.sleep(0.5)
            before, waiting = waiting, int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"1234"), "little")
        assert running.stopped() == (130, "")


@pytest.mark.parametrize("words", [(), ("--json",), ("--full",)])
@pytest.mark.parametrize("count", [1, 2000])
def test_a_closed_pipe_ends_it(tmp_path: Path, words: tuple[str, ...], count: int) -> None:
    """As for `| head`: status 0 and silence, in the middle of writing and also when nothing arrives."""
    stored(tmp_path / "spantap.db", *map(numbered, range(count)))

    process = subprocess.Popen(
        [*COMMAND, "-n", "all", *words],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    assert process.stdout.read(10)
    process.stdout.close()
    with process.stderr as complaints:
        assert (process.wait(PATIENCE), complaints.read()) == (0, b"")


@both
def test_filters_hold_for_what_arrives(tmp_path: Path, kind: str) -> None:
    """What does not fit is not shown later either."""
    stored(tmp_path / "store", numbered(10), kind=kind)

    with following(tmp_path, "store", "--errors") as running:
        stored(tmp_path / "store", *EVERY, kind=kind)
        assert running.paths(3) == ["/n/1", "/n/3", "/n/5"]
        assert running.nothing_more()
