"""The scenes of `spantap.testing` played by apps of every framework."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.inbound.frameworks.columns import AT_ONCE, COLUMNS, astray, played_on
from spantap.instrument import detect
from spantap.testing.matrix import Column, wanted

pytestmark = pytest.mark.matrix

# `make conformance` has them all.
_HALF = (
    ("fastapi", "uvicorn-httptools"),
    ("starlette", "hypercorn"),
    ("litestar", "uvicorn-httptools"),
    ("quart", "hypercorn"),
    ("django", "daphne"),
    ("django", "gunicorn-gthread"),
    ("flask", "gunicorn-gthread"),
    ("flask", "werkzeug"),
    ("falcon", "waitress"),
    ("bottle", "waitress"),
    ("pyramid", "waitress"),
)


@pytest.fixture(scope="module")
def columns(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], Future[Column]]]:
    """The columns of the tests that were chosen, a few at a time."""
    chosen = {item.callspec.params.get("on") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {on: pool.submit(played_on, *on, wanted()) for on in _HALF if on in chosen}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("on", _HALF, ids=" on ".join)
def test_nothing_differs(on: tuple[str, str], columns: dict[tuple[str, str], Future[Column]]) -> None:
    """Client and app see the same with and without spantap, and each request is one record."""
    found = columns[on].result()

    assert found.title == " on ".join(on)
    assert found.differences == {}
    assert found.records == {}
    assert astray(found) == {}
    assert "spantap failed" not in found.log
    assert list(found.cells.values()).count("same") > 30


def test_half_of_them_are_columns() -> None:
    """What is played here is in the whole table too."""
    assert set(_HALF) < set(COLUMNS)


@pytest.mark.parametrize("framework", ["falcon", "bottle"])
def test_it_is_a_bare_callable(framework: str) -> None:
    """Frameworks without a door of their own are recognised by their signature."""
    module = importlib.import_module(f"contracts.inbound.frameworks.{framework}")

    assert detect(module.bare) == "wsgi"


def test_the_table() -> None:
    """`python -m contracts.inbound.frameworks` prints it."""
    module = "contracts.inbound.frameworks"
    command = [sys.executable, "-m", module, "falcon@waitress", "--scene", "plain-get"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environ)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "| | falcon (WSGI) |"
    assert done.stdout.splitlines()[2] == "| GET without a body | = |"
