"""What `spantap tail` shows of real stores of both kinds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from exchanges import START
from spantap.codec.jsonl import from_lines
from spantap.model import Body, Error, Headers, Identity, Request, Response, Timing
from tail_process import (
    COMMAND,
    EVERY,
    MS,
    PATIENCE,
    both,
    environment,
    numbered,
    paths,
    stored,
    tail,
)


@both
def test_the_last_ten_oldest_first(tmp_path: Path, kind: str) -> None:
    """Without a word more, and with --no-follow it ends."""
    stored(tmp_path / "store", *map(numbered, range(25)), kind=kind)

    done = tail(tmp_path, "--no-follow", "store")

    assert (done.returncode, done.stderr) == (0, "")
    assert paths(done.stdout) == [f"/n/{number}" for number in range(15, 25)]


@pytest.mark.parametrize(("words", "shown"), [(("-n", "3"), 3), (("-n0",), 0), (("--lines", "all"), 25)])
def test_as_many_lines_as_asked_for(tmp_path: Path, words: tuple[str, ...], shown: int) -> None:
    """None, some or all."""
    stored(tmp_path / "spantap.db", *map(numbered, range(25)))

    assert len(tail(tmp_path, "--no-follow", *words).stdout.splitlines()) == shown


def test_a_line_has_what_one_looks_for(tmp_path: Path) -> None:
    """Time, method, path and query, error, status, duration, first byte, sizes, user: in a pipe uncut."""
    long = "/orders/" + "7" * 150
    stored(
        tmp_path / "spantap.db",
        numbered(
            1,
            request=Request("POST", "http", long, "key=REDACTED", body=Body("x" * 1500, 1500)),
            response=Response(500, body=Body("no", 2)),
            timing=Timing(START, START + 42 * MS, START + 84 * MS),
            identity=Identity(email="ada.with.a.long.name@looms.example"),
            error=Error("shop.GatewayError", "no"),
        ),
    )

    (line,) = tail(tmp_path, "--no-follow").stdout.splitlines()

    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} POST ", line)
    target, numbers = f"{long}?key=REDACTED GatewayError", "500 84.0 ms 42.0 ms 1.5 kB 2 B"
    assert (
        line.split(maxsplit=2)[2].split() == f"{target} {numbers} ada.with.a.long.name@looms.example".split()
    )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("", "012345"),
        ("--method post", "1"),
        ("--method GET,POST -n 2", "45"),
        ("--status 404", "2"),
        ("--status 5xx,none", "13"),
        ("--status 400-503", "12"),
        ("--status 2XX --slower 250", "5"),
        ("--slower 0.000004", "012345"),
        ("--status >=404", "12"),
        ("--status >404,<201", "1"),
        ("--status <=201", "045"),
        ("--path re:[13]$", "13"),
        ("--route /n/*", "4"),
        ("--path */2", "2"),
        ("--user u-1", "2"),
        ("--service till", "4"),
        ("--errors", "135"),
    ],
)
@both
def test_filters_choose(tmp_path: Path, words: str, shown: str, kind: str) -> None:
    """Each by itself and together; the last N are those that fit."""
    stored(tmp_path / "store", *EVERY, kind=kind)

    done = tail(tmp_path, "--no-follow", "store", *words.split())

    assert (done.returncode, done.stderr) == (0, "")
    assert paths(done.stdout) == [f"/n/{number}" for number in shown]


@both
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_json_is_the_record_itself(tmp_path: Path, locale: str, kind: str) -> None:
    """Each line read back is the exchange that was stored, whatever the encoding of the terminal."""
    odd = numbered(7, request=Request("GET", "http", "/naïve/路\x9b2J\x7f\u202e", body=Body(b"\x00\xff", 2)))
    stored(tmp_path / "store", *EVERY, odd, kind=kind)

    words = ("--no-follow", "store", "--json")
    done = tail(tmp_path, *words, LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")

    assert [json.loads(line)["version"] for line in done.stdout.splitlines()] == [1] * (len(EVERY) + 1)
    assert list(from_lines(done.stdout.encode().splitlines())) == [*EVERY, odd]
    assert not set("\x9b\x7f\u202e") & set(done.stdout)


def test_in_full_shows_both_messages(tmp_path: Path) -> None:
    """Headers and bodies of each exchange, oldest first."""
    sent = Request("POST", "http", "/n/1", headers=Headers([("x-shop", "till")]), body=Body('{"n":1}', 7))
    stored(tmp_path / "spantap.db", numbered(1, request=sent), numbered(2))

    shown = tail(tmp_path, "--no-follow", "--full").stdout

    assert re.search(r"POST /n/1  201.*x-shop +till.*\"n\": 1.*GET /n/2  201", shown, re.DOTALL)


def test_lines_and_json_need_the_core_install_only(tmp_path: Path) -> None:
    """Without rich the same lines come; the full view says what to install."""
    stored(tmp_path / "spantap.db", *EVERY)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        code = (
            "import sys; sys.modules['rich'] = None; from spantap.cli.main import main; sys.exit(main("
            f"{['tail', '--no-follow', *words]!r}))"
        )
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    assert run().stdout == tail(tmp_path, "--no-follow").stdout != ""
    assert run("--json").stdout == tail(tmp_path, "--no-follow", "--json").stdout
    full = run("--full")
    assert (full.returncode, full.stderr) == (2, "spantap tail --full needs rich: pip install rich\n")


@both
@pytest.mark.parametrize("words", [(), ("--json",), ("--full",)])
def test_nothing_that_was_sent_can_drive_the_terminal(
    tmp_path: Path, words: tuple[str, ...], kind: str
) -> None:
    """Escape sequences and marks that turn the writing round are spelled out, and make no new line."""
    nasty = "\x1b]0;owned\x07\x9b2J\u202egnp\n\u2028"
    evil = numbered(
        1,
        request=Request(nasty, "http", nasty, nasty, Headers([("x", nasty)]), body=Body(nasty, 20)),
        identity=Identity(user=nasty),
        error=Error(nasty, nasty),
        route=nasty,
    )
    stored(tmp_path / "store", evil, kind=kind)

    done = tail(tmp_path, "--no-follow", "store", *words)

    assert not set("\x1b\x07\x9b\u202e\u2028") & set(done.stdout)
    assert "owned" in done.stdout
    assert words == ("--full",) or done.stdout.count("\n") == 1


def seen_in_a_terminal(folder: Path, columns: int, prepare: Callable[[], None] = lambda: None) -> str:
    """What a terminal of a width receives."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, columns.to_bytes(2, sys.byteorder).join([b"\x32\0", b"\0" * 4]))
    prepare()
    plain = environment(TERM="xterm-256color")
    for name in ("COLUMNS", "NO_COLOR"):
        plain.pop(name, None)
    process = subprocess.Popen(
        [*COMMAND, "--no-follow"], cwd=folder, env=plain, stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    received = b""
    try:
        while data := os.read(ours, 65536):
            received += data
    except OSError:  # how Linux says that nobody writes any more
        pass
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    return received.decode()


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_a_terminal_gets_colours_and_no_line_wider_than_itself(tmp_path: Path, columns: int) -> None:
    """A heading, the status in the colour of its class, long things cut, columns below each other."""
    long = numbered(6, request=Request("GET", "http", "/n/" + "路" * 200, "k=REDACTED"))
    stored(tmp_path / "spantap.db", *EVERY, long)

    shown = seen_in_a_terminal(tmp_path, columns)

    assert "\x1b[1;31m   503\x1b[0m" in shown
    assert "\x1b[33m   404\x1b[0m" in shown
    heading, *lines = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert len(lines) == len(EVERY) + 1
    widths = [sum(2 if each == "路" else 1 for each in line) for line in lines]
    assert max(widths) <= columns
    assert "…" in lines[-1]
    end = heading.index("status") + len("status")
    assert [line[end - 4 : end].strip() for line in lines[:-1]] == ["201", "503", "404", "none", "201", "201"]
