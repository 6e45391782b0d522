"""One call of the app's, and how many requests came of it: retries, redirects, challenges answered."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Final


class Sends:
    """What was sent for one call so far. Used by one call at a time.

    Attributes:
        client: what the app called: the name of a door.
        count: requests sent.
        reads: it does not return before a response is read.
    """

    __slots__ = ("client", "count", "reads")

    def __init__(self, client: str, *, reads: bool) -> None:
        self.client = client
        self.reads = reads
        self.count = 0

    def next(self) -> int:
        """One more is sent; how many were before it."""
        before, self.count = self.count, self.count + 1
        return before


_SENDS: Final[ContextVar[Sends | None]] = ContextVar("spantap_sends", default=None)
sends_of_this_call: Final = _SENDS.get


def begin(client: str, *, reads: bool = False) -> Token[Sends | None] | None:
    """The app calls a client; None when that is part of a call: a repetition, or what it sends with."""
    around = _SENDS.get()
    if around is not None and client in (around.client, "urllib3"):
        return None
    return _SENDS.set(Sends(client, reads=reads))


def calling(client: str) -> Callable[..., Any]:
    """What to put around a function of a client that begins a call of the app's; see `Patch`."""

    def called(original: Any, *args: Any, **kwargs: Any) -> Any:
        token = begin(client)
        try:
            return original(*args, **kwargs)
        finally:
            end(token)

    return called


def end(token: Token[Sends | None] | None) -> None:
    """The call is over: undo `begin`."""
    if token is not None:
        _SENDS.reset(token)
