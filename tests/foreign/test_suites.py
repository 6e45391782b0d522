"""Starlette's and Flask's own test suites come out the same with and without capture."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from foreign.explained import EXPLAINED
from foreign.surroundings import BIN, PLACE, needs_downloads

pytestmark = needs_downloads

PLUGINS = Path(__file__).parent
# Fewer, and it is not the suite that has run, or it is not captured.
LEAST = {"starlette": (1000, 1000), "flask": (400, 300)}  # tests, exchanges


def outcomes(suite: str, folder: Path, *plugins: str) -> dict[str, str]:
    """Run the suite of a source distribution: how each test came out."""
    (sources,) = PLACE.glob(f"{suite}-*/")
    told = folder / "outcomes.json"
    loaded = [word for each in ("tell_outcomes", *plugins) for word in ("-p", each)]
    run = subprocess.run(
        [BIN / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line", *loaded, "tests"],
        cwd=sources,
        env={
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_"))
            },
            "PYTHONPATH": str(PLUGINS),
            "OUTCOMES_TOLD": str(told),
            "CAPTURE_TOLD": str(folder / "capture.json"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr  # 1: some have failed
    made: dict[str, str] = json.loads(told.read_text())
    return made


@pytest.mark.parametrize("suite", LEAST)
def test_a_suite_comes_out_the_same(suite: str, tmp_path: Path) -> None:
    """Every test of a framework's suite passes or fails as it does without spantap, or we can say why not."""
    without = outcomes(suite, tmp_path)
    captured = outcomes(suite, tmp_path, "capture_everything")

    told = json.loads((tmp_path / "capture.json").read_text())
    tests, exchanges = LEAST[suite]
    assert len(without) >= tests
    assert told["captured"] >= exchanges
    assert told["stored"] == told["captured"]
    assert told["failures"] == []
    differing = [test for test in {*without, *captured} if without.get(test) != captured.get(test)]
    # An explanation of what no longer differs has had its day.
    assert {named(test) for test in differing} == {named(test) for test in without} & EXPLAINED.keys()
    print(f"{suite}: without {Counter(without.values())}, with {Counter(captured.values())}, {told}")


def named(test: str) -> str:
    """The test without its parameters."""
    return test.partition("[")[0]
