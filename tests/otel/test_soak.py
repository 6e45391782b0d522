"""`make soak` itself, for some seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.matrix
def test_a_short_soak() -> None:
    """Random faults in five destinations, and a ledger that balances for each of them."""
    done = subprocess.run(
        [sys.executable, "benchmarks/soak.py", "--seconds=12", "--threads=2"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("the ledger balances\n")
    assert "Traceback" not in done.stderr
