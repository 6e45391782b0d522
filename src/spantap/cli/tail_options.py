"""The words typed after `spantap tail`, as what they mean; every mistake is reported at once."""

from __future__ import annotations

import math
import re
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from spantap.export.search import NO_ANSWER, Filter
from spantap.model import ConfigurationError, Problem

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_STATUS: Final = re.compile(r"([1-9]\d\d)(?:-([1-9]\d\d))?|([1-9])xx", re.ASCII | re.IGNORECASE)


class NotAllowedError(ValueError):
    """A value an option does not take; the message says what it takes."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be shown.

    Attributes:
        db: the store.
        wanted: which exchanges.
        last: how many of those that are there already; None for all.
    """

    db: Path
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
            problems.append(Problem(f"--{name}", repr(text), str(error)))

    options = Options(
        db=take("db", _file),
        last=take("lines", _lines),
        wanted=Filter(
            methods=take("method", methods, ()),
            statuses=take("status", statuses, ()),
            route=take("route", _something),
            path=take("path", _something),
            user=take("user", _something),
            service=take("service", _something),
            slower=take("slower", nanoseconds),
            errors=arguments.errors,
        ),
    )
    if problems:
        raise ConfigurationError(problems)
    return options


def methods(text: str) -> tuple[str, ...]:
    """``GET,post`` as methods."""
    words = tuple(_words(text))
    if not words or not all(map(_TOKEN.fullmatch, words)):
        raise NotAllowedError("use methods such as GET or POST, with commas between them")
    return words


def statuses(text: str) -> tuple[tuple[int, int], ...]:
    """``404,5xx,400-499,none`` as ranges, both ends included."""
    ranges = tuple(map(_range, _words(text)))
    if not ranges or not all(low <= high for low, high in ranges):
        raise NotAllowedError(
            "use codes (404), classes (5xx), ranges (400-499) or none (no answer), with commas between them"
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
        return (1, 0)  # holds nothing, as the wrong way round does
    low, high, hundreds = found.groups()
    if hundreds:
        return (int(hundreds) * 100, int(hundreds) * 100 + 99)
    return (int(low), int(high or low))


def _lines(text: str) -> int | None:
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotAllowedError("use a whole number, 0 or more, or all")
    return int(text)


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if path.is_dir():
        raise NotAllowedError("is a directory; give the path of a SQLite file that spantap writes")
    return path


def _something(text: str) -> str:
    if not text:
        raise NotAllowedError("is empty; give the text to look for")
    return text


def _words(text: str) -> Iterator[str]:
    return (each.strip() for each in text.split(",") if each.strip())
