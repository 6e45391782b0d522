"""The words typed after `spantap tail`, as what they mean; every mistake is reported at once."""

from __future__ import annotations

import math
import os
import re
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from spantap.export.search import NO_ANSWER, Filter
from spantap.model import ConfigurationError, Problem
from spantap.policy.select import InvalidPatternError

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_STATUS: Final = re.compile(
    r"(?P<low>[1-9]\d\d)(-(?P<high>[1-9]\d\d))?|(?P<hundreds>[1-9])xx|(?P<sign>[<>]=?)(?P<bound>[1-9]\d\d)",
    re.ASCII | re.IGNORECASE,
)
_NOTHING: Final = (1, 0)  # a range with nothing in it
_BEYOND_ANY: Final = 2**63


class NotAllowedError(ValueError):
    """A value an option does not take; the message says what it takes."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be shown.

    Attributes:
        store: the file.
        wanted: which exchanges.
        last: how many of those that are there already; None for all.
    """

    store: Path
    wanted: Filter
    last: int | None


def read(arguments: Namespace) -> Options:
    """The options, checked.

    Raises:
        ConfigurationError: with every value that is not allowed.
    """
    problems: list[Problem] = []

    def take(name: str, parse: Callable[[str], Any], without: Any = None) -> Any:
        text = getattr(arguments, name)
        if text is None:
            return without
        try:
            return parse(text)
        except NotAllowedError as error:
            given_as = "STORE" if name == "store" else f"--{name}"
            problems.append(Problem(given_as, repr(text), str(error)))
            return without

    store = take("store", _file)
    if arguments.store is None:
        try:
            store = store_in_force()
        except ConfigurationError as error:
            problems.extend(error.problems)
    options = Options(
        store=store,
        last=take("lines", _lines),
        wanted=Filter(
            methods=take("method", methods, ()),
            statuses=take("status", statuses, ()),
            route=take("route", _pattern),
            path=take("path", _pattern),
            user=take("user", _something),
            service=take("service", _something),
            slower=take("slower", nanoseconds, 0),
            errors=arguments.errors,
        ),
    )
    if problems:
        raise ConfigurationError(problems)
    return options


def store_in_force() -> Path:
    """The store an app would write here: the one the settings name, else ./spantap.db.

    Raises:
        ConfigurationError: the settings have mistakes.
    """
    # Only now: it takes as long as all the rest.
    from spantap import settings
    from spantap.otel import exporters

    loaded = settings.load({}, os.environ, hooks=False)
    listed = exporters.named() or ()
    lines_only = "spantap_jsonl" in listed and "spantap_sqlite" not in listed
    default = exporters.DEFAULT_JSONL if lines_only else exporters.DEFAULT_SQLITE
    return loaded.sqlite_path or loaded.jsonl_path or Path(default)


def methods(text: str) -> tuple[str, ...]:
    """``GET,post`` as methods."""
    words = tuple(_words(text))
    if not words or not all(map(_TOKEN.fullmatch, words)):
        raise NotAllowedError("use methods such as GET or POST, with commas between them")
    return words


def statuses(text: str) -> tuple[tuple[int, int], ...]:
    """``404,5xx,400-499,>=500,none`` as ranges, both ends included."""
    ranges = tuple(map(_range, _words(text)))
    if not ranges or not all(low <= high for low, high in ranges):
        raise NotAllowedError(
            "use codes (404), classes (5xx), ranges (400-499, >=500) or none (no answer), "
            "with commas between them"
        )
    return ranges


def nanoseconds(text: str) -> int:
    """Milliseconds, with a fraction if need be, as nanoseconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise NotAllowedError("use a number of milliseconds, 0 or more, such as 250 or 0.5")
    return int(value * 1_000_000)


def _range(word: str) -> tuple[int, int]:
    if word.lower() == "none":
        return NO_ANSWER
    found = _STATUS.fullmatch(word)
    if found is None:
        return _NOTHING
    if found["hundreds"]:
        first = int(found["hundreds"]) * 100
        return (first, first + 99)
    if found["sign"]:
        bound, inclusive = int(found["bound"]), len(found["sign"]) == 2
        upwards = found["sign"][0] == ">"
        return (bound + (not inclusive), _BEYOND_ANY) if upwards else (1, bound - (not inclusive))
    return (int(found["low"]), int(found["high"] or found["low"]))


def _lines(text: str) -> int | None:
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotAllowedError("use a whole number, 0 or more, or all")
    return int(text)


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if path.is_dir():
        raise NotAllowedError("is a directory; give the path of a file that spantap writes")
    if path.exists() and not path.is_file():
        raise NotAllowedError("is a pipe or a device; give the path of a file that spantap writes")
    return path


def _pattern(text: str) -> str:
    try:
        Filter(path=_something(text))
    except InvalidPatternError as error:
        raise NotAllowedError(f"{error}; use a glob (/api/*) or re:<RE2 expression>") from None
    return text


def _something(text: str) -> str:
    if not text:
        raise NotAllowedError("is empty; give the text to look for")
    return text


def _words(text: str) -> Iterator[str]:
    return (each.strip() for each in text.split(",") if each.strip())
