"""Prints the leak matrix: ``PYTHONPATH=tests python -m leaks``, or ``make leaks``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from leaks.matrix import Matrix
from leaks.scenes import SCENES, play


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        played = {}
        for scene in SCENES:
            (where := Path(folder) / scene).mkdir()
            played[scene] = play(scene, where)
    matrix = Matrix(played)
    print(matrix.text())
    return 1 if matrix.leaks else 0


if __name__ == "__main__":
    sys.exit(main())
