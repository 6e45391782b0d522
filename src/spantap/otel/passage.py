"""What every request has that goes through the app under a span of ours: its context, made current.

A `Passage` alone is a request of which nothing is kept: the spans beneath it must still find its
trace, or each would begin one of its own. A `Session` is one that is looked at as well.
"""

from __future__ import annotations

from contextvars import Token
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context

from spantap.otel.current import CURRENT, NOBODY, Current


class _Contexts:
    """`attach` and `detach` of a runtime context that is not made of context variables."""

    get = staticmethod(otel_context.get_current)
    set = staticmethod(otel_context.attach)
    reset = staticmethod(otel_context.detach)


def _where_contexts_are() -> Any:
    """The variable behind `attach` and `detach`, which take three calls each to find it."""
    token: object = otel_context.attach(otel_context.get_current())
    otel_context.detach(token)  # type: ignore[arg-type]
    return token.var if isinstance(token, Token) else _Contexts


_CONTEXT: Final = _where_contexts_are()
current_context: Final = _CONTEXT.get
# Where a context has its span: `set_span_in_context` takes three calls for one entry.
(SPAN,) = trace.set_span_in_context(trace.INVALID_SPAN, Context())


class Passage:
    """Puts a request's context around the code of the app. Used by one request at a time."""

    __slots__ = ("_context",)

    def __init__(self, context: Context | None) -> None:
        """Args:
        context: what is to be current; None leaves it as it is.
        """
        self._context = context

    def enter(self) -> Any:
        """Make the request's span current, for the code that runs next; what `leave` is to be given."""
        context = self._context
        return None if context is None else _CONTEXT.set(context)

    @property
    def carried(self) -> Context | None:
        """The context that a request which is sent carries; None when somebody else has written it on it."""
        return self._context

    def leave(self, token: Any) -> None:
        """Undo `enter`; what the app has made current since is current again at the next `enter`."""
        if token is None:
            return
        context = _CONTEXT.get()
        try:
            _CONTEXT.reset(token)
        except ValueError:
            return  # closed from another context, which `enter` has not touched
        self._context = context


class PassageWithCurrent(Passage):
    """One that says as well what `current()` gives."""

    __slots__ = ("_current",)

    def __init__(self, context: Context | None, current: Current = NOBODY) -> None:
        """Args:
        context: what is to be current; None leaves it as it is.
        current: what `current()` gives.
        """
        self._context = context
        self._current = current

    # A session lies in the scope or environ, which apps copy and pickle.

    def __copy__(self) -> PassageWithCurrent:
        return self

    def __deepcopy__(self, memo: object) -> PassageWithCurrent:
        return self

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()

    def enter(self) -> tuple[Token[Current], Any]:
        """Make span and `current()` those of this request; what `leave` is to be given."""
        context = self._context
        return CURRENT.set(self._current), None if context is None else _CONTEXT.set(context)

    def leave(self, token: tuple[Token[Current], Any]) -> None:
        """Undo `enter`."""
        current, inner = token
        context = _CONTEXT.get()
        try:
            CURRENT.reset(current)
            if inner is None:
                return
            _CONTEXT.reset(inner)
        except ValueError:
            return  # closed from another context, which `enter` has not touched
        self._context = context
