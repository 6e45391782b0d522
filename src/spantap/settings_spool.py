"""The rows of the disk spool, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spantap.export.files import why_no_directory
from spantap.export.spool.journal import SUPPORTED
from spantap.model import Problem
from spantap.settings_row import Kind, row

_NEEDED = "spool_dir"


def _directory(value: Any) -> Path:
    if not isinstance(value, (str, os.PathLike)) or not str(value):
        raise ValueError(f"use {DIRECTORY.takes}")
    if not SUPPORTED:
        raise ValueError("a spool needs file locks (flock), which this system does not have")
    path = Path(value).expanduser().absolute()
    reason = why_no_directory(path)
    if reason is not None:
        raise ValueError(reason)
    return path


def _bytes(value: Any) -> int:
    text = str(value).strip()
    if not text.isdecimal() or not 1024 * 1024 <= int(text) <= 1024**4:
        raise ValueError(f"use {_BYTES.takes}")
    return int(text)


def _seconds(value: Any) -> float:
    try:
        number = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 1 <= number <= 366 * 86_400:
        raise ValueError(f"use {_SECONDS.takes}")
    return number


DIRECTORY = Kind("the path of a directory", _directory)
_BYTES = Kind("a whole number from 1048576 to 1099511627776", _bytes)
_SECONDS = Kind("a number of seconds from 1 to 31622400", _seconds)


@dataclass(frozen=True)
class SpoolSettings:
    """The rows of the disk spool; `spantap.settings.Settings` has them all."""

    spool_dir: Path | None = row(
        None,
        DIRECTORY,
        "Directory where what is on its way to remote destinations is kept as well, so that it survives the "
        "process; docs/destinations.md.",
    )
    spool_max_bytes: int = row(
        512 * 1024 * 1024,
        _BYTES,
        "Bytes all processes may keep there together; the oldest go first.",
    )
    spool_max_age: float = row(
        3 * 86_400.0, _SECONDS, "Seconds until what is kept there and nowhere else is dropped."
    )


def problems(values: Mapping[str, Any], given_as: Mapping[str, str]) -> Iterator[Problem]:
    """What these settings do not agree on.

    Args:
        values: the settings that were given and could be read.
        given_as: how each was given.
    """
    for name, given in given_as.items():
        if name.startswith("spool_") and _NEEDED not in given_as:
            yield Problem(given, repr(values.get(name)), "has no effect without SPOOL_DIR: set that too")
