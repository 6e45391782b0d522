"""Requests that come when the interpreter is on its way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


# As granian does it: the app is served by a child, and its response not closed when that is told to end.
CHILD = """
import multiprocessing, sys

def serve(place, path):
    sys.path.insert(0, place)
    import spantap
    from wsgiref.util import setup_testing_defaults

    spantap.configure(sqlite_path=path)

    def answering(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        return iter([b"{}"])

    environ = {"PATH_INFO": "/unclosed"}
    setup_testing_defaults(environ)
    global held
    held = spantap.instrument_app(answering)(environ, lambda status, headers: None)
    assert next(held) == b"{}"

if __name__ == "__main__":
    child = multiprocessing.get_context(sys.argv[3]).Process(target=serve, args=sys.argv[1:3])
    child.start()
    child.join()
    sys.exit(child.exitcode)
"""


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_what_a_child_has_answered_is_kept(method: str, tmp_path: Path) -> None:
    """A child of `multiprocessing` that ends delivers what it has answered, also its first, also unclosed."""
    store, program = tmp_path / "spantap.db", tmp_path / "program.py"
    program.write_text(CHILD)

    done = subprocess.run(
        [sys.executable, program, TESTS, store, method], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [each.request.path for each in SQLiteSink(store).read()] == ["/unclosed"]
