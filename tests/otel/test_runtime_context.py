"""A runtime context of somebody else's (`OTEL_PYTHON_CONTEXT`), not made of context variables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_THEIRS = '''
import threading


class Stack(threading.local):
    """As OpenTelemetry had it for Pythons without context variables."""

    def __init__(self):
        from opentelemetry.context.context import Context
        self.stack = [Context()]

    def attach(self, context):
        self.stack.append(context)
        return len(self.stack) - 1

    def get_current(self):
        return self.stack[-1]

    def detach(self, token):
        del self.stack[token:]
'''
_APP = """
import sys
from wsgiref.util import setup_testing_defaults
import spantap
from opentelemetry import context, trace
from spantap.export.memory import MemorySink

memory = MemorySink()
handle = spantap.configure(destinations=[memory])
ids = []

def app(environ, start_response):
    ids.append(trace.get_current_span().get_span_context().trace_id)
    start_response("200 OK", [])
    return iter([b"ok"])

environ = {}
setup_testing_defaults(environ)
answer = spantap.instrument_app(app)(environ, lambda *given: None)
body = b"".join(answer)
answer.close()
assert handle.flush(10)
(record,) = memory.read()
assert type(context._RUNTIME_CONTEXT).__name__ == "Stack"
print(body, int(record.trace_id, 16) == ids[0], len(context._RUNTIME_CONTEXT.stack))
"""


def test_it_is_used_as_it_is(tmp_path: Path) -> None:
    """The app is captured, its span is current while it runs, and nothing is left behind."""
    facts = tmp_path / "theirs-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[opentelemetry_context]\nstack_context = theirs:Stack\n")
    (tmp_path / "theirs.py").write_text(_THEIRS)
    done = subprocess.run(
        [sys.executable, "-c", _APP],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OTEL_PYTHON_CONTEXT": "stack_context"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout == "b'ok' True 1\n", done.stderr
