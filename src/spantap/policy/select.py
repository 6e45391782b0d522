"""Which exchanges are looked at: by path and by method, before anything is recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import re2

# What machines ask for, not people: it would drown everything else.
DEFAULT_EXCLUDED: Final = (
    "/health",
    "/healthz",
    "/healthcheck",
    "/health-check",
    "/health_check",
    "/heartbeat",
    "/ping",
    "/ready",
    "/readyz",
    "/live",
    "/livez",
    "/metrics",
    "/favicon.ico",
    "/robots.txt",
    "/sitemap.xml",
    "/manifest.json",
    "/service-worker.js",
    "/.well-known/*",
    "/static/*",
    "/assets/*",
    "/media/*",
)
DEFAULT_EXCLUDED_METHODS: Final = ("OPTIONS",)


class InvalidPatternError(ValueError):
    """A URL pattern that cannot be compiled; the message says why."""


class Selection:
    """Decides by method and path whether an exchange is captured. Immutable, thread-safe.

    A pattern is a glob over the whole path (``/api/*``, ``*/internal/*``, ``/login``), or,
    with the prefix ``re:``, a regular expression (RE2 syntax: linear time) searched in it.
    """

    __slots__ = ("_default_excluded", "_excluded", "_excluded_methods", "_included")

    def __init__(
        self,
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        exclude_methods: Iterable[str] = DEFAULT_EXCLUDED_METHODS,
    ) -> None:
        """Args:
            include: when given, only paths that match one of these; it also overrides the
                default exclusions (health checks, static files).
            exclude: never these; beats include.
            exclude_methods: never these.

        Raises:
            InvalidPatternError: a pattern cannot be compiled.
        """
        self._included = _Patterns(include)
        self._excluded = _Patterns(exclude)
        self._default_excluded = _Patterns(DEFAULT_EXCLUDED)
        self._excluded_methods = frozenset(method.upper() for method in exclude_methods)

    def wants(self, method: str, path: str) -> bool:
        """Whether an exchange with this method and path is captured."""
        if method in self._excluded_methods or self._excluded.match(path):
            return False
        if self._included:
            return self._included.match(path)
        return not self._default_excluded.match(path)


class _Patterns:
    """Several patterns. The commonest, a whole path and a beginning of one, need no expression."""

    __slots__ = ("_beginnings", "_expression", "_paths")

    def __init__(self, patterns: Iterable[str]) -> None:
        paths: set[str] = set()
        beginnings: list[str] = []
        sources: list[str] = []
        for pattern in patterns:
            if pattern.startswith("re:"):
                sources.append(_checked(pattern, pattern[3:]))
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
