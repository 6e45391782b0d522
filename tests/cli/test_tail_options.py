"""What is typed after `spantap tail`, and what it says when that cannot be done."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tail_process import (
    COMMAND,
    PATIENCE,
    environment,
    numbered,
    paths,
    stored,
    tail,
)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--status", "4x", "404"),
        ("--status", "500-400", "400-499"),
        ("--status", "", "none"),
        ("--status", "404;500", "commas"),
        ("--status", "٤٠٤", "404"),
        ("--method", "GET POST", "GET or POST"),
        ("--method", ",", "GET or POST"),
        ("--slower", "fast", "milliseconds"),
        ("--slower", "-1", "0 or more"),
        ("--slower", "nan", "milliseconds"),
        ("--slower", "inf", "milliseconds"),
        ("--lines", "-1", "0 or more"),
        ("--lines", "ten", "or all"),
        ("--user", "", "empty"),
        ("--path", "re:(", "not a valid pattern"),
        ("--status", ">99", ">=500"),
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, option: str, value: str, allowed: str) -> None:
    """One error with the option, the value and what is allowed; status 2; nothing else."""
    done = tail(tmp_path, f"{option}={value}")

    assert (done.returncode, done.stdout) == (2, "")
    assert f"{option} = {value!r}: " in done.stderr
    assert allowed in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_all_wrong_values_are_named_at_once(tmp_path: Path) -> None:
    """Not one after the other, the store included; a traceback never."""
    done = tail(tmp_path, ".", "--status", "x", "--slower", "y", "-n", "z", "--route", "re:[")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("spantap: 5 wrong settings\n")
    for option in ("STORE = '.'", "--status", "--slower", "--lines", "--route"):
        assert f"  - {option}" in done.stderr


def test_wrong_settings_are_named_with_them(tmp_path: Path) -> None:
    """Who gives no store asks the settings for it; who gives one does not need them."""
    wrong = {"OTEL_PYTHON_SPANTAP_PRESET": "ful"}
    stored(tmp_path / "spantap.db", numbered(1))

    done = tail(tmp_path, "--status", "x", **wrong)

    assert done.returncode == 2
    assert done.stderr.startswith("spantap: 2 wrong settings\n")
    assert "OTEL_PYTHON_SPANTAP_PRESET" in done.stderr
    assert paths(tail(tmp_path, "--no-follow", "spantap.db", **wrong).stdout) == ["/n/1"]


@pytest.mark.parametrize("words", [["--no-such"], ["--json", "--full"], ["a.db", "b.db"], ["--status"]])
def test_words_it_does_not_know_are_refused(tmp_path: Path, words: list[str]) -> None:
    """Status 2, and how it is used."""
    done = tail(tmp_path, *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: spantap ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_no_store(tmp_path: Path) -> None:
    """It is said at once, not waited for."""
    os.mkfifo(tmp_path / "pipe")

    done = tail(tmp_path, "pipe")

    assert done.returncode == 2
    assert "STORE = 'pipe': is a pipe or a device" in done.stderr


@pytest.mark.parametrize(
    ("redirect", "why"), [(">/dev/full", "No space left on device"), (">&-", "standard output is closed")]
)
@pytest.mark.parametrize("shape", ["", "--json", "--full"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
def test_output_that_cannot_be_written_is_a_sentence(
    tmp_path: Path, redirect: str, why: str, shape: str
) -> None:
    """Status 2 and why, no traceback."""
    stored(tmp_path / "spantap.db", numbered(1))

    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirect}', "sh", *COMMAND, *shape.split()],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )

    assert (done.returncode, done.stderr) == (2, f"spantap tail: cannot write: {why}\n")


def test_a_store_that_is_not_there_is_an_error_when_not_following(tmp_path: Path) -> None:
    """Status 2, and nothing is created."""
    done = tail(tmp_path, "--no-follow", "none.db")

    assert (done.returncode, done.stdout, done.stderr) == (2, "", "spantap: none.db: no such store\n")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_store_is_a_sentence(tmp_path: Path) -> None:
    """Which file and what is wrong with it, also when following; status 2, no traceback."""
    (tmp_path / "notes.txt").write_text("nothing captured " * 100)

    done = tail(tmp_path, "notes.txt")

    assert done.returncode == 2
    assert done.stderr == "spantap: notes.txt: is neither a SQLite store nor JSON lines\n"


def test_the_store_is_where_the_app_writes(tmp_path: Path) -> None:
    """What is typed before the settings, the settings before the default."""
    for number, name in enumerate(("spantap.db", "that.db", "this.db")):
        stored(tmp_path / name, numbered(number))
    that = {"OTEL_PYTHON_SPANTAP_SQLITE_PATH": "that.db"}

    assert paths(tail(tmp_path, "--no-follow").stdout) == ["/n/0"]
    assert paths(tail(tmp_path, "--no-follow", **that).stdout) == ["/n/1"]
    assert paths(tail(tmp_path, "--no-follow", "this.db", **that).stdout) == ["/n/2"]


def test_a_store_of_json_lines_is_found_too(tmp_path: Path) -> None:
    """By the variable, by the list of exporters, by the settings file."""
    for number, name in enumerate(("spantap.jsonl", "that.jsonl", "this.jsonl")):
        stored(tmp_path / name, numbered(number), kind="jsonl")

    listed = tail(tmp_path, "--no-follow", OTEL_TRACES_EXPORTER="otlp,spantap_jsonl")
    assert paths(listed.stdout) == ["/n/0"]
    set_ = tail(tmp_path, "--no-follow", OTEL_PYTHON_SPANTAP_JSONL_PATH="that.jsonl")
    assert paths(set_.stdout) == ["/n/1"]
    (tmp_path / "spantap.toml").write_text('jsonl_path = "this.jsonl"')
    assert paths(tail(tmp_path, "--no-follow").stdout) == ["/n/2"]
