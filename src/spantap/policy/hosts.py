"""To whom requests are captured: by host name."""

from __future__ import annotations

from collections.abc import Iterable

from spantap.policy.patterns import Patterns


class Hosts:
    """Decides by the host of a request that is sent. Immutable, thread-safe.

    A pattern is a glob over the whole name (``api.shop.example``, ``*.internal``), or, with the prefix
    ``re:``, a regular expression searched in it. Names are compared in lower case, without a port.
    """

    __slots__ = ("_excluded", "_included")

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        """Args:
            include: only these; all when there are none.
            exclude: never these; beats `include`.

        Raises:
            InvalidPatternError: a pattern cannot be compiled.
        """
        self._included = Patterns(include, any_case=True)
        self._excluded = Patterns(exclude, any_case=True)

    def wants(self, host: str | None) -> bool:
        """Whether requests to a host are captured; to an unknown one only if any are."""
        name = (host or "").lower()
        if self._excluded and self._excluded.match(name):
            return False
        return not self._included or self._included.match(name)
