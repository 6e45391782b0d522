"""The deployment matrix: as many records as requests, one SERVER span each, whatever serves and however."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path

import pytest

from deployment.apps import ROUTES
from deployment.cells import SETUPS, WAYS, Cell, cells, interrupted
from deployment.environments import Environments
from deployment.placed import place
from deployment.serving import Run, post, post_again


def marked(cells: list[Cell]) -> list[object]:
    """Those of the half that the gate does not run are for `make conformance` alone."""
    return [
        pytest.param(each, id=str(each), marks=() if each.half else pytest.mark.conformance) for each in cells
    ]


def assert_captured(cell: Cell, folder: Path, environments: Environments, stop: signal.Signals) -> None:
    placed = place(cell, folder, environments)

    run = Run(
        folder,
        "",
        placed.command,
        placed.environ,
        binaries=placed.binaries,
        ask=post_again if "--max-requests" in cell.setup else post,
        under=placed.under,
        without=placed.without,
        delivered_first=SETUPS[cell.setup].ends_late,
        stored_first=SETUPS[cell.setup].ends_late,
        stop=stop,
    )

    run.assert_answered()
    run.assert_stored(ROUTES.get(cell.framework))
    run.assert_exported()
    run.assert_clean()
    assert "spantap failed" not in run.log, run.log
    if stop is not signal.SIGINT:  # which reaches processes that are just starting, too
        assert "Traceback" not in run.log, run.log
        assert "spantap" not in run.log, run.log


@pytest.mark.parametrize("cell", marked(cells()))
def test_captured(cell: Cell, environments: Environments, tmp_path: Path) -> None:
    """Each request is answered as ever, is one row with both bodies, clean, and one SERVER span at OTLP."""
    # Nobody tells a function that it ends: what is not delivered when it has answered never is.
    stop = signal.SIGKILL if SETUPS[cell.setup].adapter else signal.SIGTERM

    assert_captured(cell, tmp_path, environments, stop)


@pytest.mark.parametrize("cell", marked(interrupted()))
def test_interrupted(cell: Cell, environments: Environments, tmp_path: Path) -> None:
    """The same when it is stopped from a terminal: all its processes get SIGINT at once."""
    assert_captured(cell, tmp_path, environments, signal.SIGINT)


def test_the_half_is_representative() -> None:
    """Whatever two things meet in the matrix meet in the half that the gate runs."""
    every, half = cells(), [each for each in cells() if each.half]

    assert 0.45 < len(half) / len(every) < 0.55
    for one, other in itertools.combinations(("setup", "framework", "way"), 2):
        pairs = {(getattr(each, one), getattr(each, other)) for each in every}
        met = {(getattr(each, one), getattr(each, other)) for each in half}
        assert pairs - met == set()
    floors = [each for each in half if each.versions == "floors"]
    assert {each.framework for each in floors} == {"fastapi", "starlette", "flask", "django"}
    assert {each.way for each in floors} == set(WAYS)
