"""gevent replaces locks and threads when we are there already, as in a worker of gunicorn's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
TESTS = Path(__file__).parent.parent
APP = """
from wsgiref.util import setup_testing_defaults
import spantap

def answering(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"{}"]

app = spantap.instrument_app(answering)
handle = spantap.configure()
"""
PATCHED = """
from gevent import monkey
monkey.patch_all()
"""
ASKED = """
import threading
def ask(first):
    for number in range(first, first + 5):
        environ = {"PATH_INFO": f"/{number}"}
        setup_testing_defaults(environ)
        answer = app(environ, lambda status, headers: None)
        assert list(answer) == [b"{}"]
        answer.close()
"""
GREENLETS = """
clients = [threading.Thread(target=ask, args=(first,)) for first in (0, 5, 10)]
for each in clients:
    each.start()
for each in clients:
    each.join()
print(handle.flush(30), {name: each.dropped for name, each in handle.stats().destinations.items()})
"""
ZERO_CODE: list[str | Path] = [BIN / "spantap", "run", "--"]
FILES = {"OTEL_PYTHON_SPANTAP_JSONL_PATH": "out.jsonl", "OTEL_PYTHON_SPANTAP_SQLITE_PATH": "out.db"}


def said(command: list[str | Path], program: str, folder: Path) -> str:
    done = subprocess.run(
        [*command, sys.executable, "-W", "ignore", "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS), **FILES},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "spantap failed" not in done.stderr
    return done.stdout


def recorded(folder: Path) -> list[str]:
    lines = (folder / "out.jsonl").read_text().splitlines()
    return sorted((json.loads(line)["request"]["path"] for line in lines), key=lambda path: int(path[1:]))


@pytest.mark.parametrize("command", [[], ZERO_CODE], ids=["in code", "zero code"])
def test_patched_before_the_first_request(command: list[str | Path], tmp_path: Path) -> None:
    """Every destination gets every exchange, and nothing fails, though we were there before the patch."""
    told = said(command, APP + PATCHED + ASKED + GREENLETS, tmp_path)

    assert told == "True {'sqlite': {}, 'jsonl': {}}\n"
    assert recorded(tmp_path) == [f"/{number}" for number in range(15)]


def test_patched_too_late(tmp_path: Path) -> None:
    """Where requests have been captured before the patch, nothing of them is thrown away."""
    told = said([], APP + ASKED + "ask(0)\n" + PATCHED + "print(handle.flush(30))", tmp_path)

    assert told == "True\n"
    assert recorded(tmp_path) == [f"/{number}" for number in range(5)]


def test_what_hubs_are_made_of_is_there_before_the_patch(tmp_path: Path) -> None:
    """Two threads of which each makes its first hub need no lock to import it: they waited for each other."""
    told = said(
        [],
        APP
        + """
from gevent import config, events

def tell(event):
    if type(event) is events.GeventWillPatchAllEvent:
        print(*("value" in vars(config.settings[each]) for each in ("loop", "format_context")))

events.subscribers.append(tell)
"""
        + PATCHED,
        tmp_path,
    )

    assert told == "True True\n"
