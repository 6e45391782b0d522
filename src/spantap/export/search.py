"""Which exchanges of a SQLite store one asks for: by the columns it keeps for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

NO_ANSWER: Final = (0, 0)
"""In `Filter.statuses`: the app never answered."""

HIGHEST: Final = 2**63 - 1
"""The largest integer SQLite takes."""

# What the tables of the command line show as the user, so that what is seen can be asked for.
_USER: Final = (
    "coalesce(nullif(user, ''), nullif(json_extract(record, '$.identity.email'), ''), "
    "json_extract(record, '$.identity.user_hash'))"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which exchanges are asked for; what is not set leaves none out.

    Attributes:
        methods: any of these, whatever the case.
        statuses: ranges, both ends included, any of which holds the status code.
        route, path: globs over the whole of it, in which ``*`` stands for anything.
        user: the user, or the e-mail address or hash where the app named no user.
        service: the ``service.name``.
        slower: only those that took longer, in nanoseconds.
        errors: only those with an exception, a status of 500 or more, or no answer.
    """

    methods: tuple[str, ...] = ()
    statuses: tuple[tuple[int, int], ...] = ()
    route: str | None = None
    path: str | None = None
    user: str | None = None
    service: str | None = None
    slower: int | None = None
    errors: bool = False

    def where(self) -> tuple[str, list[str | int]]:
        """An SQL expression without a single value in it, and the values to bind, in its order."""
        conditions = list(self._conditions())
        words = " AND ".join(f"({each})" for each, _ in conditions)
        return words or "1", list(chain.from_iterable(values for _, values in conditions))

    def _conditions(self) -> Iterator[tuple[str, Sequence[str | int]]]:
        if self.methods:
            yield f"method COLLATE NOCASE IN ({', '.join('?' * len(self.methods))})", self.methods
        if self.statuses:
            ranges = " OR ".join(["coalesce(status, 0) BETWEEN ? AND ?"] * len(self.statuses))
            yield ranges, tuple(chain.from_iterable(self.statuses))
        if self.route is not None:
            yield "route GLOB ?", (_glob(self.route),)
        if self.path is not None:
            yield "path GLOB ?", (_glob(self.path),)
        if self.service is not None:
            yield "service = ?", (self.service,)
        if self.slower is not None:
            yield "duration > ?", (min(self.slower, HIGHEST),)
        if self.errors:
            yield "error IS NOT NULL OR status IS NULL OR status >= 500", ()
        if self.user is not None:  # the dearest last: it may have to look into the record
            yield f"{_USER} = ?", (self.user,)


EVERYTHING: Final = Filter()


def _glob(pattern: str) -> str:
    """A glob of ours (only ``*`` is special, as in EXCLUDE_URLS) as SQLite writes it."""
    return pattern.replace("[", "[[]").replace("?", "[?]")
