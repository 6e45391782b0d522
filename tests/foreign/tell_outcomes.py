"""A pytest plugin: how every test came out, as JSON, in the file that ``OUTCOMES_TOLD`` names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

_outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the outcome of the test; a failure before or after it counts as an error."""
    expected = "x" if hasattr(report, "wasxfail") else ""
    if report.when == "call":
        _outcomes[report.nodeid] = expected + report.outcome
    elif report.outcome == "failed":
        _outcomes[report.nodeid] = "error"
    else:
        _outcomes.setdefault(report.nodeid, expected + report.outcome)


def pytest_unconfigure() -> None:
    """All tests have run."""
    Path(os.environ["OUTCOMES_TOLD"]).write_text(json.dumps(_outcomes))
