"""`spantap tail` as it is typed: a process of its own, real stores, writers beside it."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exchanges import START, exchange
from spantap.codec.jsonl import from_lines
from spantap.export.sqlite import SQLiteSink
from spantap.model import Body, Error, Exchange, Headers, Identity, Request, Response, Timing

TESTS = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "spantap.cli.main", "tail")
PATIENCE = 20.0
MS = 1_000_000


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "FORCE_"))}
    return {**clean, "PYTHONUNBUFFERED": "", **more}


def tail(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


class Following:
    """A tail that is running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)

    def paths(self, count: int) -> list[str]:
        """The paths of the next so many lines; it must not take long."""
        return [self._lines.get(timeout=PATIENCE).split()[2] for _ in range(count)]

    def nothing_more(self, seconds: float = 0.7) -> bool:
        time.sleep(seconds)
        return self._lines.empty()

    def complaint(self) -> str:
        """The next line on stderr."""
        assert self.process.stderr
        return self.process.stderr.readline()

    def stopped(self) -> tuple[int, str]:
        """Ctrl-C: the exit status, and what was said on stderr that was not read yet."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(PATIENCE)
        assert self.process.stderr
        return status, self.process.stderr.read()


@contextmanager
def following(folder: Path, *words: str) -> Iterator[Following]:
    process = subprocess.Popen(
        [*COMMAND, *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        # Who runs the tests in the background may have it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        yield Following(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def numbered(number: int, **changes: object) -> Exchange:
    values: dict[str, object] = {
        "span_id": f"{number + 1:016x}",
        "request": Request("GET", "http", f"/n/{number}"),
        "timing": Timing(START + number, None, START + number + 5),
    }
    return exchange(**{**values, **changes})


def stored(path: Path, *exchanges: Exchange) -> None:
    sink = SQLiteSink(path)
    sink.write(exchanges)
    sink.close()


def paths(output: str) -> list[str]:
    return [line.split()[2] for line in output.splitlines()]


def test_the_last_ten_oldest_first(tmp_path: Path) -> None:
    """Without a word more, and with --no-follow it ends."""
    stored(tmp_path / "spantap.db", *map(numbered, range(25)))

    done = tail(tmp_path, "--no-follow")

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


def test_it_waits_for_the_store_and_shows_what_another_process_writes(tmp_path: Path) -> None:
    """It says once that it waits, creates nothing, shows each exchange once, and Ctrl-C is 130 in silence."""
    with following(tmp_path, "--db", "later.db") as running:
        assert running.complaint() == "spantap tail: later.db is not there yet; waiting for it\n"
        assert list(tmp_path.iterdir()) == []
        writer = subprocess.Popen(
            [sys.executable, "-m", "store_writer", "sqlite", str(tmp_path / "later.db"), "1"], cwd=TESTS
        )
        assert running.paths(100) == ["/users/7"] * 100
        assert writer.wait(PATIENCE) == 0
        assert running.nothing_more()
        assert running.stopped() == (130, "")


def test_what_arrives_is_shown_while_its_writer_goes_on(tmp_path: Path) -> None:
    """Within a second, although the store is open elsewhere and nothing is folded yet."""
    sink = SQLiteSink(tmp_path / "spantap.db")
    sink.write([numbered(0), numbered(1)])

    with following(tmp_path, "-n1") as running:
        assert running.paths(1) == ["/n/1"]
        for number in (2, 3):
            sink.write([numbered(number)])
            began = time.monotonic()
            assert running.paths(1) == [f"/n/{number}"]
            assert time.monotonic() - began < 1
    sink.close()


def test_it_follows_a_store_that_is_deleted_and_made_anew(tmp_path: Path) -> None:
    """It says so once, and shows the new one from its beginning."""
    db = tmp_path / "spantap.db"
    stored(db, numbered(1))

    with following(tmp_path) as running:
        assert running.paths(1) == ["/n/1"]
        for each in tmp_path.iterdir():
            each.unlink()
        assert running.complaint() == "spantap tail: spantap.db is gone; waiting for a new one\n"
        stored(db, numbered(2), numbered(3))
        assert running.paths(2) == ["/n/2", "/n/3"]
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


EVERY = (
    numbered(0),
    numbered(1, request=Request("POST", "http", "/n/1"), response=Response(503)),
    numbered(2, response=Response(404), identity=Identity(user="u-1")),
    numbered(3, response=Response(None)),
    numbered(4, route="/n/{id}", service="till"),
    numbered(5, timing=Timing(START, None, START + 300 * MS), error=Error("shop.Boom", "x")),
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
        ("--route /n/*", "4"),
        ("--path */2", "2"),
        ("--user u-1", "2"),
        ("--service till", "4"),
        ("--errors", "135"),
    ],
)
def test_filters_choose(tmp_path: Path, words: str, shown: str) -> None:
    """Each by itself and together; the last N are those that fit."""
    stored(tmp_path / "spantap.db", *EVERY)

    done = tail(tmp_path, "--no-follow", *words.split())

    assert (done.returncode, done.stderr) == (0, "")
    assert paths(done.stdout) == [f"/n/{number}" for number in shown]


def test_filters_hold_for_what_arrives(tmp_path: Path) -> None:
    """What does not fit is not shown later either."""
    stored(tmp_path / "spantap.db", numbered(10))

    with following(tmp_path, "--errors") as running:
        stored(tmp_path / "spantap.db", *EVERY)
        assert running.paths(3) == ["/n/1", "/n/3", "/n/5"]
        assert running.nothing_more()


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
        ("--db", ".", "directory"),
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
    """Not one after the other."""
    done = tail(tmp_path, "--status", "x", "--slower", "y", "-n", "z")

    assert done.stderr.startswith("spantap: 3 wrong settings\n")
    assert all(option in done.stderr for option in ("--status", "--slower", "--lines"))


def test_a_store_that_is_not_there_is_an_error_when_not_following(tmp_path: Path) -> None:
    """Status 2, and nothing is created."""
    done = tail(tmp_path, "--no-follow", "--db", "none.db")

    assert (done.returncode, done.stdout, done.stderr) == (2, "", "spantap: none.db: no such store\n")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_store_is_a_sentence(tmp_path: Path) -> None:
    """Which file and what is wrong with it, also when following; status 2, no traceback."""
    (tmp_path / "notes.txt").write_text("nothing captured " * 100)

    done = tail(tmp_path, "--db", "notes.txt")

    assert done.returncode == 2
    assert done.stderr == "spantap: notes.txt: file is not a database\n"


def test_the_store_is_where_the_app_writes(tmp_path: Path) -> None:
    """`--db` before the environment, the environment before the default."""
    for number, name in enumerate(("spantap.db", "that.db", "this.db")):
        stored(tmp_path / name, numbered(number))
    that = {"OTEL_PYTHON_SPANTAP_SQLITE_PATH": "that.db"}

    assert paths(tail(tmp_path, "--no-follow").stdout) == ["/n/0"]
    assert paths(tail(tmp_path, "--no-follow", **that).stdout) == ["/n/1"]
    assert paths(tail(tmp_path, "--no-follow", "--db", "this.db", **that).stdout) == ["/n/2"]


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_json_is_the_record_itself(tmp_path: Path, locale: str) -> None:
    """Each line read back is the exchange that was stored, whatever the encoding of the terminal."""
    odd = numbered(7, request=Request("GET", "http", "/naïve/路\x9b2J\x7f\u202e", body=Body(b"\x00\xff", 2)))
    stored(tmp_path / "spantap.db", *EVERY, odd)

    done = tail(tmp_path, "--no-follow", "--json", LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")

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


@pytest.mark.parametrize("words", [(), ("--json",), ("--full",)])
def test_nothing_that_was_sent_can_drive_the_terminal(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Escape sequences and marks that turn the writing round are spelled out, and make no new line."""
    nasty = "\x1b]0;owned\x07\x9b2J\u202egnp\n\u2028"
    evil = numbered(
        1,
        request=Request(nasty, "http", nasty, nasty, Headers([("x", nasty)]), body=Body(nasty, 20)),
        identity=Identity(user=nasty),
        error=Error(nasty, nasty),
        route=nasty,
    )
    stored(tmp_path / "spantap.db", evil)

    done = tail(tmp_path, "--no-follow", *words)

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


@pytest.mark.parametrize("columns", [60, 100])
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
