"""What the gate makes of a test that fails once, and of one that fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import second_look

SECOND_LOOK = Path(second_look.__file__)


def looked(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_some.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, str(SECOND_LOOK), "-q"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


ONCE = """
from pathlib import Path

def test_once():
    seen = Path("seen")
    first = not seen.exists()
    seen.touch()
    assert not first

def test_well():
    pass
"""


def test_what_fails_once_is_told(tmp_path: Path) -> None:
    """A test that fails beside others and not alone lets the run pass, and is named at its end."""
    run = looked(tmp_path, ONCE)
    assert run.returncode == 0, run.stdout
    assert run.stdout.splitlines()[-1] == "FAILED ONCE, BESIDE OTHERS: test_some.py::test_once"


def test_what_fails_twice_has_failed(tmp_path: Path) -> None:
    """A test that fails alone too fails the run, whatever the others do."""
    run = looked(tmp_path, ONCE + "def test_never():\n    raise ValueError\n")
    assert run.returncode == 1
    assert "FAILED TWICE: test_some.py::test_never" in run.stdout


@pytest.mark.parametrize(
    ("tests", "status"),
    [
        ("import pytest\n@pytest.mark.parametrize('x', range(6))\ndef test_x(x):\n    assert False\n", 1),
        ("import nothing_of_this_name\n", 2),
        ("", 5),
    ],
    ids=["many", "not collected", "none"],
)
def test_what_gets_no_second_look(tmp_path: Path, tests: str, status: int) -> None:
    """Many failures, or a run that did not come about, are the run's own status at once."""
    run = looked(tmp_path, tests)
    assert run.returncode == status
    assert "once more" not in run.stdout


def test_all_well(tmp_path: Path) -> None:
    """A run in which nothing fails is one run."""
    assert looked(tmp_path, "def test_well():\n    pass\n").returncode == 0
