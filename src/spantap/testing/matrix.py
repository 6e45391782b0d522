"""Every scene on every server, with and without spantap, and the table of what came of it."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import spantap.testing.scenes  # noqa: F401 - importing them makes them known
from spantap.testing.scene import Scene, Seen, play
from spantap.testing.servers import ASGI, WSGI
from spantap.testing.stage import FOLDER, Stage

_STARTS_WITHIN: Final = 30.0
_STOPS_WITHIN: Final = 30.0
_TRIES: Final = 6
_WARMING: Final = Scene.all["plain-get"]  # what a first request imports and opens is no scene's memory


@dataclass
class Column:
    """What came of the scenes on one server.

    Attributes:
        title: the app and its server.
        cells: scene -> ``same``, ``-`` (not for this kind of app), or what is different.
        plain: scene -> what was seen without spantap.
        records: scene -> exchanges spantap kept and times the app was called, where these differ.
        memory: heavy scene -> kilobytes its peak rose by, without and with spantap (Linux only).
        log: what the captured server wrote to its standard error.
    """

    title: str
    cells: dict[str, str] = field(default_factory=dict)
    plain: dict[str, Seen] = field(default_factory=dict)
    records: dict[str, tuple[int, int]] = field(default_factory=dict)
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)
    log: str = ""

    @property
    def differences(self) -> dict[str, str]:
        """The cells that are red."""
        return {name: cell for name, cell in self.cells.items() if cell not in ("same", "-")}


def wanted(*, heavy: bool = False) -> list[Scene]:
    """The scenes to play, the fatal ones last."""
    found = [each for each in Scene.all.values() if heavy or not each.heavy]
    return sorted(found, key=lambda each: each.fatal)


# Nothing is sampled and nobody would take it: spans are made, and not kept.
_UNSAMPLED: Final = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_SAMPLER": "always_off"}


def column(
    server: str, played: Sequence[Scene], app: str = "", plays: Collection[str] = (), *, kept: bool = True
) -> Column:
    """Play scenes on a server, with and without spantap, and compare.

    Args:
        server: one of `SERVERS`.
        played: the scenes.
        app: ``module:name`` of an app that plays them; the bare one for the server's protocol when empty.
        plays: the scenes that app knows.
        kept: exchanges go to a store; otherwise nothing is sampled, and nothing kept.
    """
    protocol = "asgi" if server in ASGI else "wsgi"
    found = Column(f"{app.partition(':')[0].rpartition('.')[2]} on {server}" if app else server)
    called: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "records.db"
        log = Path(folder) / "log"
        with (
            _serving(server, app, Path(folder)) as plain,
            _serving(server, app, Path(folder), _stored_in(store) if kept else _UNSAMPLED) as captured,
        ):
            _warm(plain)
            called[_WARMING.name] = _warm(captured)
            for scene in played:
                if scene.name not in plays if app else getattr(scene, protocol) is None:
                    found.cells[scene.name] = "-"
                    continue
                found.cells[scene.name] = _compared(scene, plain, captured, found, called)
        found.log = log.read_text(errors="replace")
        records = _records(store)
    for name, calls in called.items():
        unknown = found.cells.get(name, "-") == "-"
        if not unknown and records.get(name, 0) != (calls if kept else 0):
            found.records[name] = (records.get(name, 0), calls)
    return found


def _stored_in(store: Path) -> dict[str, str]:
    return {
        "OTEL_PYTHON_SPANTAP_SQLITE_PATH": str(store),
        "OTEL_PYTHON_SPANTAP_EXCLUDE_METHODS": "NONE",
    }


def _warm(server: _Server) -> int:
    """Play to a server that has only just started, until it has come to an end; how often it was called."""
    play(_WARMING, server.port, server.stage)
    deadline = time.monotonic() + _STARTS_WITHIN
    while "over" not in server.stage.notes(_WARMING.name) and time.monotonic() < deadline:
        time.sleep(0.05)
    return server.stage.notes(_WARMING.name).count("called")


def _compared(scene: Scene, plain: _Server, captured: _Server, found: Column, called: dict[str, int]) -> str:
    # What a server does by chance it does without spantap too, sooner or later.
    without: list[Seen] = []
    difference = None
    for _ in range(_TRIES):
        before = plain.peak(reset=True), captured.peak(reset=True)
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(play, scene, each.port, each.stage) for each in (plain, captured)]
        bare, with_us = (each.result() for each in both)
        found.plain[scene.name] = bare
        called[scene.name] = called.get(scene.name, 0) + with_us.app.count("called")
        without.append(_masked(scene, bare))
        difference = without[-1].difference(_masked(scene, with_us))
        if scene.heavy:
            found.memory[scene.name] = plain.peak() - before[0], captured.peak() - before[1]
        if any(each.difference(_masked(scene, with_us)) is None for each in without):
            return "same"
    return difference or "same"


def _masked(scene: Scene, seen: Seen) -> Seen:
    return Seen(seen.client, []) if scene.varies else seen


def _records(store: Path) -> dict[str, int]:
    if not store.exists():
        return {}
    counts: dict[str, int] = {}
    with contextlib.closing(sqlite3.connect(store)) as connection:
        for (path,) in connection.execute("SELECT path FROM exchanges"):
            name = path.split("/")[1] if "/" in path else path
            counts[name] = counts.get(name, 0) + 1
    return counts


@dataclass(frozen=True)
class _Server:
    port: int
    stage: Stage
    pid: int

    def peak(self, *, reset: bool = False) -> int:
        """The most memory its processes had at once, each, in kilobytes; 0 where Linux does not tell."""
        found = 0
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                facts = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
                mine = str(self.pid) in (status.parent.name, facts["PPid"].strip())
                if mine and "VmHWM" in facts:  # those that have ended have none
                    if reset:
                        (status.parent / "clear_refs").write_text("5")
                        facts["VmHWM"] = facts["VmRSS"]
                    found += int(facts["VmHWM"].split()[0])
        return found


@contextlib.contextmanager
def _serving(
    server: str, app: str, folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[_Server]:
    """A server for the time of the block; captured when there are settings."""
    stage = folder / ("stage" if settings is None else "captured-stage")
    stage.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environ["PYTHONHASHSEED"] = "0"
    environ[FOLDER] = str(stage)
    environ["HOME"] = str(folder)  # servers keep things there
    command = [sys.executable, "-m", "spantap.testing.serve", server]
    if settings is not None:
        environ.update(settings)
        command.append("--capture")
    if app:
        command += ["--app", app]
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # it is found as it is here
    log = folder / ("log" if settings is not None else "plain-log")
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, env=environ, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise AssertionError(f"{server} does not start:\n{log.read_text()}")
        _until_it_listens(int(line), log)
        yield _Server(int(line), Stage(stage), process.pid)
        process.stdin.close()
        process.wait(_STOPS_WITHIN)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _until_it_listens(port: int, log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.05)


def table(columns: Sequence[Column], played: Sequence[Scene]) -> str:
    """As Markdown: a row for each scene, a column for each server."""
    marks = {"same": "=", "-": ""}
    lines = [
        "| | " + " | ".join(each.title for each in columns) + " |",
        "|---|" + ":-:|" * len(columns),
    ]
    for scene in played:
        cells = [marks.get(each.cells.get(scene.name, "-"), "**differs**") for each in columns]
        lines.append(f"| {scene.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


SERVERS: Final = (*ASGI, *WSGI)
