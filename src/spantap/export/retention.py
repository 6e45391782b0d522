"""How long a store keeps what it has, and when a file of lines begins anew."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

_BOUNDS: Final = ("max_age", "max_rows", "max_bytes")
_PARTS: Final = 8  # files a store of lines consists of, when only its retention is given


@dataclass(frozen=True, slots=True)
class Retention:
    """What a store lets go of: the oldest, once there is more than this. None: no bound.

    Attributes:
        max_age: seconds since an exchange began, or a timedelta.
        max_rows: exchanges.
        max_bytes: bytes of all of the store's files, or of the rows of a table.
    """

    max_age: float | timedelta | None = None
    max_rows: int | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        _positive(self)

    def __bool__(self) -> bool:
        """Whether there is a bound."""
        return self != FOREVER

    @property
    def oldest(self) -> int | None:
        """What began before this goes; nanoseconds since the epoch."""
        return _ago(self.max_age)


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file of lines is set aside, and a new one begun. None: no bound.

    Attributes:
        max_age: seconds since the first exchange in it began, or a timedelta.
        max_rows: exchanges in it.
        max_bytes: bytes of the file.
    """

    max_age: float | timedelta | None = None
    max_rows: int | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        _positive(self)

    @property
    def oldest(self) -> int | None:
        """Whose first exchange began before this is set aside; nanoseconds since the epoch."""
        return _ago(self.max_age)

    def within(self, retention: Retention) -> Rotation:
        """As fine as a retention needs it: whole files are deleted, an eighth of the store at a time.

        Raises:
            ValueError: a bound is given, and is not below the one of the retention.
        """
        bounds: dict[str, Any] = {}
        for name in _BOUNDS:
            own, most = _seconds(getattr(self, name)), _seconds(getattr(retention, name))
            if own is None and most is not None:
                own = most / _PARTS if name == "max_age" else -(-int(most) // _PARTS)
            elif own is not None and most is not None and own >= most:
                says = f"{name} of the rotation is {own:g}: use less than that of the retention, {most:g}"
                raise ValueError(says)
            bounds[name] = own
        return Rotation(**bounds)


def _seconds(age: float | timedelta | None) -> float | None:
    return age.total_seconds() if isinstance(age, timedelta) else age


def _ago(age: float | timedelta | None) -> int | None:
    seconds = _seconds(age)
    return None if seconds is None else max(0, time.time_ns() - int(seconds * 1e9))


def _positive(bounds: Retention | Rotation) -> None:
    for name in _BOUNDS:
        bound = getattr(bounds, name)
        if bound is not None and not (_seconds(bound) or 0) > 0:
            raise ValueError(f"{name} = {bound!r}: use more than 0, or leave it out")


FOREVER: Final = Retention()
"""Keeps everything."""


# How the settings say it ------------------------------------------------------------------------

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST: Final = 10**15


def age(value: Any) -> float:
    """A time: seconds, a number with a unit (``90s``, ``30m``, ``12h``, ``7d``), or a timedelta.

    Raises:
        ValueError: it is none; what it may be.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    text = str(value).strip().lower()
    unit = _UNITS.get(text[-1:], 0)
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = math.nan
    if isinstance(value, bool) or not 0 < seconds < _MOST:
        raise ValueError(f"use {AGE}")
    return seconds


def amount(value: Any) -> int:
    """A whole number, 1 or more.

    Raises:
        ValueError: it is none.
    """
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) < _MOST:
        raise ValueError(f"use {AMOUNT}")
    return int(text)


AGE: Final = "seconds, or a number with s, m, h or d, such as 12h or 30d"
AMOUNT: Final = "a whole number, 1 or more"

SETTINGS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "store_max_age": age,
    "store_max_rows": amount,
    "store_max_bytes": amount,
    "rotate_max_age": age,
    "rotate_max_bytes": amount,
}
"""The settings of all stores -> how each is read."""


def terms(values: Mapping[str, Any]) -> tuple[Retention, Rotation]:
    """What those settings make.

    Raises:
        ValueError: the rotation is no finer than the retention.
    """
    retention = Retention(*(values.get(f"store_{bound}") for bound in _BOUNDS))
    rotation = Rotation(max_age=values.get("rotate_max_age"), max_bytes=values.get("rotate_max_bytes"))
    rotation.within(retention)
    return retention, rotation
