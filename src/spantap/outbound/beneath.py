"""A function replaced beneath the wrappers that are around it, whoever came first."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final

import wrapt

_NOTHING: Final = object()


class PatchBeneath:
    """One function of a class, replaced while it is `on`. Not thread-safe.

    OpenTelemetry's instrumentation may have wrapped the function before us, or may do so after us. Either
    way its wrapper stays outside: its span is begun when our replacement is called. Its wrappers are
    wrapt's, and those tell what they are around. Put on or taken off, nothing else changes.
    """

    def __init__(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        """Args:
        owner: the class.
        name: the function's.
        around: called with the original, then as the original is called; for a coroutine function, one.
        """
        self._owner = owner
        self._name = name
        self._around = around
        self._original: Any = None
        self._replacement: Any = _NOTHING

    def on(self) -> None:
        """Replace the function; harmless when it is."""
        place, name, found = self._innermost()
        if found is self._replacement:
            return
        self._original, self._replacement = found, self._made(found)
        setattr(place, name, self._replacement)

    def off(self) -> None:
        """Put back what was there; where it cannot be reached any more, it only passes through."""
        place, name, found = self._innermost()
        if found is self._replacement:
            setattr(place, name, self._original)
        self._replacement = _NOTHING

    def _innermost(self) -> tuple[Any, str, Any]:
        """What holds the function, under which name, and the function."""
        place, name, found = self._owner, self._name, vars(self._owner)[self._name]
        while isinstance(found, wrapt.FunctionWrapper):
            place, name, found = found, "__wrapped__", found.__wrapped__
        return place, name, found

    def _made(self, original: Any) -> Any:
        around, patch = self._around, self
        replacement: Any

        if inspect.iscoroutinefunction(original):

            async def replacement(*args: Any, **kwargs: Any) -> Any:
                if patch._replacement is replacement:
                    return await around(original, *args, **kwargs)
                return await original(*args, **kwargs)

        else:

            def replacement(*args: Any, **kwargs: Any) -> Any:
                if patch._replacement is replacement:
                    return around(original, *args, **kwargs)
                return original(*args, **kwargs)

        return functools.wraps(original, updated=())(replacement)
