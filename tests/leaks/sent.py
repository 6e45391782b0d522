"""Sends every case with every client in one process, and gathers everything that came out of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from leaks.cases_of_calls import CALLS
from leaks.planting import CASES, Plant
from leaks.scenes import TESTS, Played, _clean_environment, _collector, _places, _variables
from leaks.sending import DOORS, cases
from spantap.export.sqlite import SQLiteSink

# Scene -> that of requests which are answered, whose settings and destinations it has.
SENT: Final = {"sent": "ours", "sent-contrib": "contrib", "sent-theirs": "theirs"}


def python_path() -> str:
    """Where the tests are found, before what is searched already."""
    return os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))


def planted(door: str, scene: str) -> Plant:
    """What is sent with one client."""
    plant = Plant(door, scene)
    for name in cases():
        CASES[name](plant)
    for call in CALLS.values():
        call(plant)
    return plant


def play(scene: str, folder: Path) -> Played:
    """Send, stop, gather."""
    like, environment = SENT[scene], Plant("environment", scene)
    with _collector(like) as (url, delivered):
        variables = _variables(like, url, environment)
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            subprocess.run(
                [sys.executable, "-m", "leaks.sending", scene, str(folder)],
                cwd=folder,
                env={**_clean_environment(), "PYTHONPATH": python_path(), **variables},
                stdout=out,
                stderr=err,
                timeout=300,
                check=True,
            )
        collected = delivered()
    exchanges = SQLiteSink(folder / "spantap.db").read(limit=10_000)
    plants = {"environment": environment, **{door: planted(door, scene) for door in DOORS}}
    return Played(plants, _places(like, folder, collected, exchanges, environment), exchanges, {})
