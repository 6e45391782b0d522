"""Which exchanges of a store one asks for: one answer, whichever store is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from spantap.model import Exchange, Identity
from spantap.policy.select import Selection

NO_ANSWER: Final = (0, 0)
"""In `Filter`'s statuses: the app never answered."""


class Filter:
    """Which exchanges are asked for; what is not given leaves none out. Immutable.

    Attributes:
        user: the user asked for, or None. Stores look it up only when it is asked for.
        since, until: see the arguments.
    """

    __slots__ = (
        "_errors",
        "_methods",
        "_path",
        "_route",
        "_service",
        "_slower",
        "_statuses",
        "since",
        "until",
        "user",
    )

    def __init__(
        self,
        *,
        methods: Iterable[str] = (),
        statuses: Iterable[tuple[int, int]] = (),
        path: str | None = None,
        route: str | None = None,
        user: str | None = None,
        service: str | None = None,
        slower: int = 0,
        errors: bool = False,
        since: int = 0,
        until: int | None = None,
    ) -> None:
        """Args:
            methods: any of these, whatever the case.
            statuses: ranges, both ends included, any of which holds the status code.
            path, route: patterns as in ``INCLUDE_URLS``: a glob over the whole of it, or ``re:``.
            user: the user, or the e-mail address or hash where the app named no user.
            service: the ``service.name``.
            slower: took so many nanoseconds, or more.
            errors: only those with an exception, a status of 500 or more, or no answer.
            since: began then or later, in nanoseconds since the epoch.
            until: began before that.

        Raises:
            InvalidPatternError: a pattern cannot be compiled.
        """
        self._methods = frozenset(each.upper() for each in methods)
        self._statuses = tuple(statuses)
        self._path = _pattern(path)
        self._route = _pattern(route)
        self.user = user
        self._service = service
        self._slower = slower
        self._errors = errors
        self.since = since
        self.until = until

    def wants(self, exchange: Exchange) -> bool:
        """Whether an exchange is asked for."""
        return self.holds(
            exchange.timing.start,
            exchange.request.method,
            exchange.response.status,
            exchange.request.path,
            exchange.route,
            exchange.timing.duration,
            exchange.service,
            exchange.error.type if exchange.error else None,
            who(exchange.identity),
        )

    def holds(
        self,
        start: int,
        method: str,
        status: int | None,
        path: str,
        route: str | None,
        duration: int,
        service: str | None,
        error: str | None,
        user: str | None,
    ) -> bool:
        """Whether an exchange with these facts is asked for.

        Args:
            start: nanoseconds since the epoch.
            method, path, route, service: as recorded.
            status: None when the app never answered.
            duration: in nanoseconds.
            error: the type of the exception.
            user: see `who`.
        """
        return (
            start >= self.since
            and (self.until is None or start < self.until)
            and duration >= self._slower
            and (not self._methods or method.upper() in self._methods)
            and (not self._statuses or any(low <= (status or 0) <= high for low, high in self._statuses))
            and (not self._errors or error is not None or status is None or status >= 500)
            and (self._service is None or service == self._service)
            and (self.user is None or user == self.user)
            and (self._path is None or self._path.wants("", path))
            and (self._route is None or (route is not None and self._route.wants("", route)))
        )


def who(identity: Identity) -> str:
    """The best name for whoever is behind an exchange; empty for nobody."""
    return identity.user or identity.email or identity.user_hash or ""


def _pattern(text: str | None) -> Selection | None:
    return None if text is None else Selection(include=(text,), exclude_methods=())


EVERYTHING: Final = Filter()
