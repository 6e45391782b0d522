"""Server-sent events: the data of each, which may stand on several lines, and is JSON or text."""

from __future__ import annotations

import re
from collections.abc import Callable

_LINES = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")

# Cleans the data of one event; told whether that was cut.
CleanData = Callable[[str, bool], str]


def clean_events(text: str, clean: CleanData, *, cut: bool = False) -> str:
    """A stream of events with everything sensitive masked; lines and fields stay.

    Args:
        text: the stream.
        clean: cleans what an event says, and any other line.
        cut: whether the stream ends too early.
    """
    lines = _LINES.findall(text)
    done: list[str] = []
    at = 0
    while at < len(lines):
        end = at
        while end < len(lines) and _data(lines[end]) is not None:
            end += 1
        last = cut and end == len(lines)
        if end == at:
            done.append(_line(lines[at], clean, cut=cut and at + 1 == len(lines)))
            end = at + 1
        else:
            done += _event(lines[at:end], clean, cut=last)
        at = end
    return "".join(done)


def _data(line: str) -> str | None:
    """What a data line says."""
    if not line.startswith("data:"):
        return None
    return line[5:].rstrip("\r\n").removeprefix(" ")


def _event(lines: list[str], clean: CleanData, *, cut: bool) -> list[str]:
    said = [_data(line) or "" for line in lines]
    data = "\n".join(said)
    whole = lines[-1].endswith(("\n", "\r"))
    done = clean(data, cut and not whole) if not (cut and whole) else clean(data + "\n", True)
    if done.removesuffix("\n") == data:
        return lines
    ending = lines[0][len(lines[0].rstrip("\r\n")) :] or "\n"
    written = [f"data: {each}{ending}" for each in done.removesuffix("\n").split("\n")]
    if not whole:
        written[-1] = written[-1].removesuffix(ending)
    return written


def _line(line: str, clean: CleanData, *, cut: bool) -> str:
    bare = line.rstrip("\r\n")
    ending = line[len(bare) :]
    return clean(bare, cut and not ending) + ending if bare else line
