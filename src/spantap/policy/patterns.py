"""Patterns of texts: globs, and expressions that take linear time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import re2


class InvalidPatternError(ValueError):
    """A pattern or rule that cannot be used; the message says why."""


class Patterns:
    """Several patterns. The commonest, a whole path and a beginning of one, need no expression."""

    __slots__ = ("_beginnings", "_expression", "_paths")

    def __init__(self, patterns: Iterable[str], *, any_case: bool = False) -> None:
        """Args:
            patterns: globs over the whole text, or with the prefix ``re:`` expressions searched in it.
            any_case: the texts are given in lower case, the patterns may be in any.

        Raises:
            InvalidPatternError: a pattern cannot be compiled.
        """
        paths: set[str] = set()
        beginnings: list[str] = []
        sources: list[str] = []
        for pattern in patterns:
            if any_case and not pattern.startswith("re:"):
                pattern = pattern.lower()
            if pattern.startswith("re:"):
                sources.append(("(?i)" if any_case else "") + _checked(pattern, pattern[3:]))
            elif "*" not in pattern:
                paths.add(pattern)
            elif pattern.index("*") == len(pattern) - 1:
                beginnings.append(pattern[:-1])
            else:
                sources.append(_glob(pattern))
        self._paths = frozenset(paths)
        self._beginnings = tuple(beginnings)
        self._expression = re2.compile("|".join(f"(?:{each})" for each in sources)) if sources else None

    def __bool__(self) -> bool:
        return bool(self._paths or self._beginnings or self._expression)

    def match(self, path: str) -> bool:
        """Whether any of them matches."""
        return (
            path in self._paths
            or path.startswith(self._beginnings)
            or (self._expression is not None and self._expression.search(path) is not None)
        )


def _checked(pattern: str, source: str) -> str:
    try:
        re2.compile(source, _quiet())
    except re2.error as error:
        reason = error.args[0] if error.args else error
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise InvalidPatternError(f"{pattern!r} is not a valid pattern: {text}") from None
    return source


def _glob(pattern: str) -> str:
    return "(?s:^" + ".*".join(re.escape(part) for part in pattern.split("*")) + "$)"


def _quiet() -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 writes to stderr otherwise
    return options
