"""Functions of clients, replaced and put back."""

from __future__ import annotations

import asyncio.coroutines
import functools
import inspect
from collections.abc import Callable
from typing import Any, Final

_MISSING: Final = object()


class Patch:
    """One function of a class or module, replaced while it is `on`. Not thread-safe.

    The replacement asks `active` first: who has taken it in the meantime, to wrap it in turn, keeps it.
    """

    def __init__(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        """Args:
        owner: the class or module.
        name: the function's.
        around: called with the original, then as the original is called.
        """
        self._owner = owner
        self._name = name
        self._around = around
        self._original: Any = _MISSING
        self._own = False
        self._replacement: Any = None
        self.active = False

    def on(self) -> None:
        """Replace the function; harmless when it is."""
        if self.active:
            return
        self.active = True
        if self._replacement is not None and getattr(self._owner, self._name, None) is self._replacement:
            return
        original = getattr(self._owner, self._name)
        self._own = self._name in vars(self._owner)
        self._original = vars(self._owner)[self._name] if self._own else original
        around, patch = self._around, self

        @functools.wraps(original, updated=())  # marks of other instrumentations are theirs
        def replacement(*args: Any, **kwargs: Any) -> Any:
            # One that somebody has wrapped before a second `on` lies beneath the newer one.
            if patch.active and patch._replacement is replacement:
                return around(original, *args, **kwargs)
            return original(*args, **kwargs)

        if inspect.iscoroutinefunction(original):
            _mark_as_coroutine_function(replacement)
        self._replacement = replacement
        setattr(self._owner, self._name, replacement)

    def off(self) -> None:
        """Put back what was there; what somebody else has wrapped since only passes through."""
        self.active = False
        if vars(self._owner).get(self._name) is not self._replacement or self._replacement is None:
            return
        if self._own:
            setattr(self._owner, self._name, self._original)
        else:
            delattr(self._owner, self._name)
        self._replacement = None


def _mark_as_coroutine_function(function: Any) -> None:
    """Who mocks a function, or asks, learns that it is to be awaited."""
    mark: Any = getattr(inspect, "markcoroutinefunction", None)  # since Python 3.12
    if mark is not None:
        mark(function)
    else:
        function._is_coroutine = getattr(asyncio.coroutines, "_is_coroutine", None)


def is_contribs(function: Any) -> bool:
    """Whether an instrumentation of OpenTelemetry's own is among what wraps a function: it leaves a mark."""
    while function is not None:
        if any(getattr(function, mark, False) for mark in _MARKS):
            return True
        if getattr(getattr(function, "_self_wrapper", None), "__module__", "").startswith("opentelemetry."):
            return True
        function = getattr(function, "__wrapped__", None)
    return False


_MARKS: Final = (
    "opentelemetry_instrumentation_requests_applied",
    "opentelemetry_instrumentation_urllib_applied",
)
