"""Every scene of `spantap.testing`, on the servers people use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spantap.testing.matrix import column, wanted
from spantap.testing.scene import Scene

pytestmark = pytest.mark.matrix

# `make conformance` has them all.
_HALF = ("uvicorn-httptools", "hypercorn", "granian", "gunicorn-gthread", "gunicorn-gevent", "waitress")
_REFERENCE = ("uvicorn-h11", "gunicorn-gthread")


@pytest.mark.parametrize("server", _HALF)
def test_nothing_differs(server: str) -> None:
    """Client and app see the same with and without spantap, and each request is one record."""
    found = column(server, wanted())

    assert found.differences == {}
    assert found.records == {}
    assert "spantap failed" not in found.log
    assert list(found.cells.values()).count("same") > 40


@pytest.mark.parametrize("server", _REFERENCE)
def test_nothing_differs_where_nothing_is_kept(server: str) -> None:
    """Nor when no trace is sampled and nobody would take the exchange."""
    found = column(server, wanted(), kept=False)

    assert found.differences == {}
    assert found.records == {}
    assert "spantap failed" not in found.log


@pytest.mark.parametrize("server", _REFERENCE)
def test_the_scenes_are_played(server: str) -> None:
    """Without spantap the answers are what they are meant to be, so that sameness means something."""
    found = column(server, [each for each in wanted() if each.status is not None])

    for name, seen in found.plain.items():
        status = f"HTTP/1.1 {Scene.all[name].status} ".encode()
        answers = [
            data.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
            for what, data in seen.client
            if what == "answer"
        ]
        assert [data for data in answers if not data.startswith(status)] == [], name
        assert not [what for what, _ in seen.client if what in ("error", "never noted")], name
        assert "waited in vain" not in seen.app
        assert seen.app[0] == "called"
        assert seen.app[-1] == "over"


def test_the_table() -> None:
    """`python -m spantap.testing` prints it."""
    command = [sys.executable, "-m", "spantap.testing", "--scene", "plain-get", "uvicorn-h11", "waitress"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "| | uvicorn-h11 | waitress |"
    assert done.stdout.splitlines()[2] == "| GET without a body | = | = |"
