"""Requests that come when the interpreter is on its way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from spantap.export.sqlite import SQLiteSink

TESTS = Path(__file__).parent.parent
SCRIPT = """
import sys, threading

sys.path.insert(0, sys.argv[1])

def when_main_has_ended():
    threading.main_thread().join()
    call(app, scope(path="/late"))

import spantap
from asgi_client import call, responding, scope

spantap.configure(sqlite_path=sys.argv[2])
app = spantap.instrument_app(responding(b"{}"))
threading.Thread(target=when_main_has_ended).start()
"""


def test_a_first_request_after_the_main_thread_is_kept(tmp_path: Path) -> None:
    """A server in a thread that outlives the main one loses nothing."""
    store = tmp_path / "spantap.db"

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, TESTS, store], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [each.request.path for each in SQLiteSink(store).read()] == ["/late"]
