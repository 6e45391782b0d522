"""Every error spantap raises on purpose.

::

    SpantapError
    +-- ConfigurationError   settings that cannot work; lists every mistake at once

All of them are raised at start-up, to the person who configures. Nothing here is
ever raised into a request.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class SpantapError(Exception):
    """Base of all errors spantap raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration.

    Attributes:
        setting: the name as the user wrote it (environment variable or keyword).
        value: what was given, as text; never a secret (secret settings show ``***``).
        remedy: what is allowed, or which command mends it.
    """

    setting: str
    value: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.setting} = {self.value}: {self.remedy}"


class ConfigurationError(SpantapError):
    """The settings cannot work; nothing was started.

    Attributes:
        problems: every mistake found, in the order of the settings table.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"spantap: {count} wrong setting{'' if count == 1 else 's'}"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))


def did_you_mean(word: str, choices: Iterable[str], prefix: str = "") -> str:
    """The end of a remedy: the choice most like a word; empty when none is.

    Args:
        word: what was given.
        choices: what is allowed.
        prefix: written before the choice.
    """
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.75)
    return f"; did you mean {prefix}{near[0]}?" if near else ""
