"""The collector, if there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector.build import VARIABLE, place


@pytest.fixture(scope="session")
def program() -> Path:
    """The collector's program; without one a test is skipped, and fails in the gate."""
    return wanted()


def wanted() -> Path:
    """The program the environment names, or else the one that `make collector` has built."""
    named = os.environ.get(VARIABLE)
    found = Path(named) if named else place()
    if found.is_file():
        return found
    reason = f"no collector: run `make collector` (Go builds it), or set {VARIABLE} to an otelcol-contrib"
    if named:
        reason = f"{VARIABLE} names no file"
    if named or os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
