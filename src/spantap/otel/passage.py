"""What every request has that goes through the app under a span of ours: its context, made current.

A `Passage` alone is a request of which nothing is kept: the spans beneath it must still find its
trace, or each would begin one of its own. A `Session` is one that is looked at as well.
"""

from __future__ import annotations

from contextvars import Token

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from spantap.otel.current import CURRENT, NOBODY, Current

Tokens = tuple[Token[Current], Token[Context] | None]


class Passage:
    """Puts a request's context around the code of the app. Used by one request at a time."""

    __slots__ = ("_context", "_current")

    def __init__(self, context: Context | None, current: Current = NOBODY) -> None:
        """Args:
        context: what is to be current; None leaves it as it is.
        current: what `current()` gives.
        """
        self._context = context
        self._current = current

    def enter(self) -> Tokens:
        """Make span and `current()` those of this request, for the code that runs next."""
        token = None if self._context is None else otel_context.attach(self._context)
        return CURRENT.set(self._current), token

    def leave(self, tokens: Tokens) -> None:
        """Undo `enter`; what the app has made current since is current again at the next `enter`."""
        current, token = tokens
        try:
            CURRENT.reset(current)
        except ValueError:
            return  # closed from another context, which `enter` has not touched
        if token is not None:
            var = token.var  # what `get_current` and `detach` do, without looking for it
            self._context = var.get()
            var.reset(token)
