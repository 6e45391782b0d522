"""Policies of several destinations as settings give them: text in the environment, tables in the file.

In the environment ``jsonl: on_status_codes=5xx,404; otlp: fields=-bodies``: destination, word and
value, one after another or one a line; a destination may come several times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from spantap.model import ConfigurationError, did_you_mean
from spantap.policy.destination import DestinationPolicy

FORM: Final = "use destination: word=value, as in jsonl: on_status_codes=5xx,404"
_ENTRIES: Final = re.compile(r"[;\n]")
_FLAGS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class PolicyFor:
    """The policy of the destinations of a name."""

    destination: str
    policy: DestinationPolicy

    def __str__(self) -> str:
        return "; ".join(f"{self.destination}: {each}" for each in self.policy.said())


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with an entry: which, what was given as text, and what to do."""

    which: str
    text: str
    remedy: str


class InvalidPoliciesError(ValueError):
    """Policies that cannot work.

    Attributes:
        problems: all of them.
    """

    def __init__(self, problems: Iterable[Mistake]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{each.which}: {each.remedy}" for each in self.problems))


def parse(value: Any) -> tuple[PolicyFor, ...]:
    """The policies, in the order of their destinations' names.

    Args:
        value: a text, or a mapping of destinations to policies or to mappings of their words.

    Raises:
        InvalidPoliciesError: listing every mistake in them.
    """
    mistakes: list[Mistake] = []
    made = []
    tables = dict(value) if isinstance(value, Mapping) else _tables(value, mistakes)
    for destination, table in tables.items():
        if not isinstance(destination, str) or not destination.strip():
            mistakes.append(Mistake("its destination", repr(destination), "use the name of a destination"))
        elif isinstance(table, DestinationPolicy):
            made.append(PolicyFor(destination, table))
        elif isinstance(table, Mapping):
            policy = _policy(destination, table, mistakes)
            made += [] if policy is None else [PolicyFor(destination, policy)]
        else:
            mistakes.append(Mistake(destination, repr(table), f"use a table; its words: {_words()}"))
    if mistakes:
        raise InvalidPoliciesError(mistakes)
    return tuple(sorted(made, key=lambda each: each.destination))


def named(policies: Iterable[PolicyFor], destination: str) -> DestinationPolicy | None:
    """The policy of a destination; None when it has none."""
    return next((each.policy for each in policies if each.destination == destination), None)


def _policy(destination: str, table: Mapping[str, Any], mistakes: list[Mistake]) -> DestinationPolicy | None:
    known = DestinationPolicy.words()
    strange = [word for word in table if word not in known]
    for word in strange:
        near = did_you_mean(str(word), known)
        mistakes.append(
            Mistake(f"{destination}.{word}", repr(table[word]), f"there is no such word{near}; {_words()}")
        )
    try:
        policy = DestinationPolicy(**{word: each for word, each in table.items() if word not in strange})
    except ConfigurationError as error:
        for each in error.problems:
            word = each.setting.rpartition(" ")[2]
            mistakes.append(Mistake(f"{destination}.{word}", each.value, each.remedy))
        return None
    return None if strange else policy


def _words() -> str:
    return f"there are {', '.join(DestinationPolicy.words())}"


def _tables(text: Any, mistakes: list[Mistake]) -> dict[str, dict[str, Any]]:
    """What a text says, by destination and word."""
    tables: dict[str, dict[str, Any]] = {}
    if not isinstance(text, str):
        mistakes.append(Mistake("all of it", repr(text), FORM))
        return tables
    for entry in filter(None, map(str.strip, _ENTRIES.split(text))):
        destination, word, value = _read(entry)
        if not destination or not word:
            mistakes.append(Mistake("an entry", repr(entry), FORM))
        elif word in tables.setdefault(destination, {}):
            mistakes.append(
                Mistake(f"{destination}.{word}", repr(value), "it is there twice: put them together")
            )
        else:
            tables[destination][word] = value
    return tables


def _read(entry: str) -> tuple[str, str, Any]:
    destination, _, rest = entry.partition(":")
    word, is_given, text = (each.strip() for each in rest.partition("="))
    value: Any = [each.strip() for each in text.split(",") if each.strip()]
    if not is_given:
        value = True
    elif word.endswith("_on_exception"):
        value = _FLAGS.get(text.lower(), text)
    return destination.strip(), word, value
