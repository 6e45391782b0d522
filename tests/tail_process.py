"""`spantap tail` as a process of its own, and stores for it to read."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exchanges import START, exchange
from following import KINDS
from spantap.model import Error, Exchange, Identity, Request, Response, Timing

TESTS = Path(__file__).parent
COMMAND = (sys.executable, "-m", "spantap.cli.main", "tail")
PATIENCE = 60.0
both = pytest.mark.parametrize("kind", KINDS)
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

    def __init__(self, process: subprocess.Popen[str], *, read: bool = True) -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        if read:
            threading.Thread(target=self._read, daemon=True).start()

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
def following(folder: Path, *words: str, read: bool = True) -> Iterator[Following]:
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
        yield Following(process, read=read)
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


def stored(path: Path, *exchanges: Exchange, kind: str = "sqlite") -> None:
    sink = KINDS[kind](path)
    sink.write(exchanges)
    sink.close()


def paths(output: str) -> list[str]:
    return [line.split()[2] for line in output.splitlines()]


EVERY = (
    numbered(0),
    numbered(1, request=Request("POST", "http", "/n/1"), response=Response(503)),
    numbered(2, response=Response(404), identity=Identity(user="u-1")),
    numbered(3, response=Response(None)),
    numbered(4, route="/n/{id}", service="till"),
    numbered(5, timing=Timing(START, None, START + 300 * MS), error=Error("shop.Boom", "x")),
)
