"""The test suites of clients come out the same with and without capture of what is sent."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from foreign.surroundings import needs_downloads
from foreign.test_suites import named, outcomes

pytestmark = needs_downloads

# Fewer, and it is not the suite that has run, or it is not captured. Most of httpx's tests send to mocks.
LEAST: Final = {"requests": (500, 200), "httpx": (1400, 100)}  # tests, exchanges

_SHOWN: Final = "the command httpx shows the headers that it sends, one of them the trace's (traceparent)"

# Tests that come out differently, and why.
EXPLAINED: Final[dict[str, dict[str, str]]] = {
    "requests": {},
    "httpx": {"tests/test_main.py::test_verbose": _SHOWN, "tests/test_main.py::test_auth": _SHOWN},
}


@pytest.mark.parametrize("suite", LEAST)
def test_a_suite_comes_out_the_same(suite: str, tmp_path: Path) -> None:
    """Every test passes or fails as it does without spantap, or we can say why not."""
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    plain.mkdir()
    watched.mkdir()
    # Tests of httpx listen on a port that is always the same; those of requests mostly wait.
    with ThreadPoolExecutor(max_workers=1) as other:
        running = other.submit(outcomes, suite, plain)
        if suite == "httpx":
            running.result()
        captured = outcomes(suite, watched, "capture_sent")
        without = running.result()

    told = json.loads((watched / "capture.json").read_text())
    tests, exchanges = LEAST[suite]
    assert len(without) >= tests
    assert told["captured"] >= exchanges
    assert told["stored"] == told["captured"]
    assert told["failures"] == []
    differing = [test for test in {*without, *captured} if without.get(test) != captured.get(test)]
    # An explanation of what no longer differs has had its day.
    assert {named(test) for test in differing} == EXPLAINED[suite].keys()
    print(f"{suite}: without {Counter(without.values())}, with {Counter(captured.values())}, {told}")
