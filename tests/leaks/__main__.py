"""Prints the leak matrix: ``PYTHONPATH=tests python -m leaks``, or ``make leaks``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from leaks import sent
from leaks.doors import DOORS
from leaks.matrix import Matrix
from leaks.scenes import SCENES, play
from leaks.sending import DOORS as SENDERS


def main() -> int:
    leaks = 0
    for scenes, doors, playing in ((SCENES, DOORS, play), (tuple(sent.SENT), SENDERS, sent.play)):
        with tempfile.TemporaryDirectory() as folder:
            played = {}
            for scene in scenes:
                (where := Path(folder) / scene).mkdir()
                played[scene] = playing(scene, where)
        matrix = Matrix(played, doors)
        print(matrix.text())
        leaks += len(matrix.leaks)
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main())
