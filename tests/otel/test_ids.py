"""Ids of traces and spans."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
TESTS = Path(__file__).parent.parent
PROGRAM = """
import json, os, random
from asgi_client import call, responding, scope
import spantap

answer = responding(b"{}")

async def seeding(request, receive, send):
    random.seed(7)
    await answer(request, receive, send)

random.seed(1)
call(spantap.instrument_app(answer), scope())
drawn = random.random()
random.seed(1)
app = spantap.instrument_app(seeding)
for _ in range(3):
    call(app, scope())
spantap.configure().flush()
child = os.fork()
if not child:
    call(app, scope())
    spantap.configure().flush()
    os._exit(0)
os.waitpid(child, 0)
call(app, scope())
print(json.dumps([drawn, random.Random(1).random()]))
"""


ZERO_CODE: list[str | Path] = [BIN / "spantap", "run", "--"]


def drawn(command: list[str | Path], folder: Path, **environ: str) -> tuple[float, float]:
    """What the app drew, and what it would have drawn without us."""
    done = subprocess.run(
        [*command, sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(TESTS),
            "OTEL_PYTHON_SPANTAP_JSONL_PATH": "out.jsonl",
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with_us, without_us = json.loads(done.stdout)
    return with_us, without_us


@pytest.mark.parametrize("command", [[], ZERO_CODE], ids=["in code", "zero code"])
def test_random_numbers_are_the_apps(command: list[str | Path], tmp_path: Path) -> None:
    """An app that seeds `random` draws the numbers it draws without us, and no two records share an id."""
    with_us, without_us = drawn(command, tmp_path)

    assert with_us == without_us
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(records) == 6
    assert len({each["trace_id"] for each in records}) == 6
    assert len({each["span_id"] for each in records}) == 6


def test_a_generator_that_is_asked_for_is_used(tmp_path: Path) -> None:
    """`OTEL_PYTHON_ID_GENERATOR` goes before our own: the SDK's takes the app's random numbers."""
    with_us, without_us = drawn(ZERO_CODE, tmp_path, OTEL_PYTHON_ID_GENERATOR="random")

    assert with_us != without_us


# As uWSGI does it: Python is not told, so that nothing registered with it is called.
FORKED_IN_C = """
import ctypes, os
from asgi_client import call, responding, scope
import spantap

app = spantap.instrument_app(responding(b"{}"))
fork = ctypes.PyDLL(None).fork
for _ in range(3):
    child = fork()
    if not child:
        call(app, scope())
        spantap.configure().flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(os.name != "posix", reason="this system does not fork")
@pytest.mark.parametrize("command", [[], ZERO_CODE], ids=["in code", "zero code"])
def test_a_fork_python_does_not_know_of(command: list[str | Path], tmp_path: Path) -> None:
    """Processes that a server forks in C before their first request have ids of their own."""
    subprocess.run(
        [*command, sys.executable, "-c", FORKED_IN_C],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS), "OTEL_PYTHON_SPANTAP_JSONL_PATH": "out.jsonl"},
        timeout=60,
        check=True,
    )

    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(records) == 3
    assert len({each["trace_id"] for each in records}) == 3
    assert len({each["span_id"] for each in records}) == 3
