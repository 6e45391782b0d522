"""The test suite of requests comes out the same with and without capture of what is sent."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from foreign.surroundings import needs_downloads
from foreign.test_suites import named, outcomes

pytestmark = needs_downloads

# Fewer, and it is not the suite that has run, or it is not captured.
TESTS, EXCHANGES = 500, 200

# Tests that come out differently, and why.
EXPLAINED: Final[dict[str, str]] = {}


def test_requests_comes_out_the_same(tmp_path: Path) -> None:
    """Every test passes or fails as it does without spantap, or we can say why not."""
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    plain.mkdir()
    watched.mkdir()
    with ThreadPoolExecutor() as both:  # they mostly wait
        running = both.submit(outcomes, "requests", plain)
        captured = outcomes("requests", watched, "capture_sent")
        without = running.result()

    told = json.loads((watched / "capture.json").read_text())
    assert len(without) >= TESTS
    assert told["captured"] >= EXCHANGES
    assert told["stored"] == told["captured"]
    assert told["failures"] == []
    differing = [test for test in {*without, *captured} if without.get(test) != captured.get(test)]
    # An explanation of what no longer differs has had its day.
    assert {named(test) for test in differing} == EXPLAINED.keys()
    print(f"requests: without {Counter(without.values())}, with {Counter(captured.values())}, {told}")
