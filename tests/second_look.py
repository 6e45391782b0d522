"""Runs pytest with the arguments given; the few tests that fail beside others are run once more, alone.

The servers, clients and clocks of these tests are real, and the machine of the gate is not theirs alone: one
test in some thousands may fail for want of it. What fails alone too has failed; so has a run with more than
`MOST` failures. What failed once only is told at the end, for somebody to look into.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MOST = 5
_SOME_FAILED = 1  # https://docs.pytest.org/en/stable/reference/exit-codes.html


def main(arguments: list[str]) -> int:
    """Run; the exit status."""
    pytest = [sys.executable, "-m", "pytest"]
    status = subprocess.run([*pytest, "--cache-clear", *arguments], check=False).returncode
    failed = _failed()
    if status != _SOME_FAILED or not 0 < len(failed) <= MOST:
        return status
    print(f"\n{len(failed)} failed beside others; each is run once more, alone.", flush=True)
    again = [subprocess.run([*pytest, each], check=False).returncode for each in failed]
    for each, outcome in zip(failed, again, strict=True):
        print(f"{'FAILED TWICE' if outcome else 'FAILED ONCE, BESIDE OTHERS'}: {each}", flush=True)
    return _SOME_FAILED if any(again) else 0


def _failed() -> list[str]:
    told = Path(".pytest_cache/v/cache/lastfailed")
    return sorted(json.loads(told.read_text())) if told.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
