"""Files of lines that were set aside: how they are named, and which there are."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterator
from pathlib import Path


def set_aside(path: Path) -> Path:
    """Give a file a name of its own: ``traffic.jsonl`` becomes ``traffic-20261121T134201123456Z.jsonl``.

    Raises:
        OSError: it cannot be renamed.
    """
    now = time.time_ns() // 1000
    there = archives(path)
    if there:  # names stay in order when the clock is set back: whoever deletes or follows goes by them
        stamp = there[-1].name.removesuffix(path.suffix)[-len("20261121T134201123456Z") :]
        seconds = calendar.timegm(time.strptime(stamp[:15], "%Y%m%dT%H%M%S"))
        now = max(now, seconds * 1_000_000 + int(stamp[15:21]) + 1)
    while True:
        seconds, micros = divmod(now, 1_000_000)
        stamp = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(seconds))}{micros:06d}Z"
        aside = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
        if not aside.exists():
            path.rename(aside)
            return aside
        now += 1


def archives(path: Path) -> list[Path]:
    """The files set aside from a path, oldest first."""
    name = re.compile(rf"{re.escape(path.stem)}-\d{{8}}T\d{{12}}Z{re.escape(path.suffix)}")
    folder = path.absolute().parent
    return sorted(each for each in folder.iterdir() if name.fullmatch(each.name)) if folder.is_dir() else []


def newest_first(path: Path) -> Iterator[Path]:
    """The file and what was set aside from it; one that is set aside meanwhile comes once.

    Raises:
        FileNotFoundError: there is none at all.
    """
    try:
        current = path.stat()
    except FileNotFoundError:
        current = None
    else:
        yield path
    aside = archives(path)
    if current is None and not aside:
        raise FileNotFoundError(f"{path}: no such store")
    for each in reversed(aside):
        try:
            found = each.stat()
        except FileNotFoundError:
            continue  # its time was over
        if current is None or (found.st_dev, found.st_ino) != (current.st_dev, current.st_ino):
            yield each
