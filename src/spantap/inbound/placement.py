"""Getting between a server and an app object whose identity and type must not change.

The class's ``__call__`` is replaced once; instances that are not ours go straight through.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

_MISSING: Final = object()
_replaced: dict[type, tuple[Any, Any]] = {}  # class -> (what it had itself, our function)


def replace_call(cls: type, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put a function around ``cls.__call__``; done once per class.

    Args:
        cls: the class of an app object.
        make: gets the function in force and returns the one to put in its place.
    """
    if cls in _replaced:
        return
    in_force: Callable[..., Any] = cls.__call__
    ours = functools.wraps(in_force)(make(in_force))
    _replaced[cls] = (cls.__dict__.get("__call__", _MISSING), ours)
    cls.__call__ = ours  # type: ignore[method-assign]


def restore_call(cls: type) -> None:
    """Take our function out again, unless somebody has put theirs around it since."""
    had, ours = _replaced.get(cls, (_MISSING, None))
    if ours is None or cls.__dict__.get("__call__") is not ours:
        return
    del _replaced[cls]
    if had is _MISSING:
        del cls.__call__
    else:
        cls.__call__ = had  # type: ignore[method-assign]
