"""Reads a Dockerfile, as far as those in `deploy/` go."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    """A keyword and what comes after it, on one line."""

    keyword: str
    rest: str

    @property
    def words(self) -> list[str]:
        """The rest: of a JSON array its items, else what blanks separate."""
        start = self.rest.find("[")
        if start >= 0 and self.rest.endswith("]"):
            items: list[str] = json.loads(self.rest[start:])
            return items
        return self.rest.split()


def instructions(file: Path) -> list[Instruction]:
    """The instructions of a Dockerfile, in order; comments are left out."""
    bare = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE)
    joined = re.sub(r"\s*\\\n\s*", " ", bare)
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def variables(file: Path) -> dict[str, str]:
    """What its ENV instructions set, PATH aside."""
    pairs = [
        word.partition("=")
        for each in instructions(file)
        if each.keyword == "ENV"
        for word in each.rest.split()
    ]
    return {name: value for name, _, value in pairs if name != "PATH"}
