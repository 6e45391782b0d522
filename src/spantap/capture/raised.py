"""What is kept of an exception: texts of bounded length, never the exception itself.

An exception holds the frames it went through and all their variables; kept beside a request
it would keep them alive for as long.
"""

from __future__ import annotations

import re
import traceback
from typing import Final

MESSAGE_MAX: Final = 8 * 1024  # characters shown
STACKTRACE_MAX: Final = 32 * 1024
_MARGIN: Final = 1024  # more is kept than shown: a secret at the cut must be seen whole to be recognised
_MORE: Final = " [...]"
_FRAME = re.compile(r'[ |]*File "[^"]*", line [0-9]+, in ')
_CLASS = re.compile(r"[\w.]+")


def type_of(error: BaseException) -> str:
    """The class as `error.type` has it: without a module for Python's own exceptions."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """The exception's raw text, not much longer than is shown of it."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the app's own `__str__`
        text = f"<{type(error).__qualname__}: its text cannot be had>"
    return _kept(text, MESSAGE_MAX + _MARGIN)


def stacktrace_of(error: BaseException) -> str:
    """The raw traceback as Python prints it, not much longer than is shown of it."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - the app's own `__str__`, `__notes__` ...
        text = "".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__
    return _kept(text, STACKTRACE_MAX + _MARGIN)


def shown(text: str, most: int) -> str:
    """As much of a clean text as is shown."""
    return text if len(text) <= most else text[:most] + _MORE


def places_of(text: str) -> str:
    """A traceback without what exceptions and source lines say: which way it went, and the classes."""
    lines = []
    in_frames = False
    for line in text.splitlines():
        if line.startswith("Traceback (most recent call last)"):
            lines.append("Traceback (most recent call last):")
        elif _FRAME.match(line):
            lines.append(line)
            in_frames = True
        elif in_frames and line and not line[0].isspace():
            kind = _CLASS.match(line)
            if kind is not None:
                lines.append(kind[0])
            in_frames = False
    return "\n".join(lines)


def _kept(text: str, most: int) -> str:
    """The beginning, up to a white space: half a word might be half a secret."""
    if len(text) <= most:
        return text
    while most and not text[most - 1].isspace():
        most -= 1
    return text[:most] + _MORE
