"""Server-sent events: the data of each, which may stand on several lines, and is JSON or text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_LINES = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_FIELD = re.compile(r"(?:data|event|id|retry)?:|data[\r\n]*\Z")
_EVENTS = re.compile(r"^\ufeff?(?:data|event|id|retry)?:", re.MULTILINE)
_ENDS: Final = "\r\n"

# Cleans the data of one event; told whether that was cut.
CleanData = Callable[[str, bool], str]


def are_events(text: str) -> bool:
    """Whether any line of a text is one of a stream of events."""
    return _EVENTS.search(text.replace("\r", "\n")) is not None


def clean_events(
    text: str, clean: CleanData, *, cut: bool = False, clean_other: CleanData | None = None
) -> str:
    """A stream of events with everything sensitive masked; lines and fields stay.

    Args:
        text: the stream.
        clean: cleans what an event says.
        cut: whether the stream ends too early.
        clean_other: cleans any other line; the same when not given.
    """
    other = clean_other or clean
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    lines = _LINES.findall(text[len(mark) :])
    done: list[str] = []
    at = 0
    while at < len(lines):
        end = at
        while end < len(lines) and lines[end].strip(_ENDS):
            end += 1
        done += _event(lines[at:end], clean, other, cut=cut and end == len(lines))
        done += lines[end : end + 1]  # the empty line behind it
        at = end + 1
    return mark + "".join(done)


def _data(line: str) -> str | None:
    """What a data line says."""
    if line.rstrip(_ENDS) == "data":
        return ""
    if not line.startswith("data:"):
        return None
    return line[5:].rstrip(_ENDS).removeprefix(" ")


def _event(lines: list[str], clean: CleanData, other: CleanData, *, cut: bool) -> list[str]:
    """The lines of one event: its data belong together, whatever stands between them."""
    done: list[str] = []
    said: list[str] = []
    first = last = -1  # where the data stand
    at = 0
    while at < len(lines):
        data = _data(lines[at])
        if data is None:
            end = at + 1
            if not _FIELD.match(lines[at]):  # no line of an event: what is it, with those that follow?
                while end < len(lines) and not _FIELD.match(lines[end]):
                    end += 1
            done.append(_other("".join(lines[at:end]), other, cut=cut and end == len(lines)))
            at = end
        else:
            first, last = (len(done) if first < 0 else first), at
            said.append(data)
            done.append(lines[at])
            at += 1
    if first < 0:
        return done
    written = _cleaned(said, lines, clean, cut=cut, open_end=last == len(lines) - 1)
    if written is None:
        return done
    rest = [each for each in done[first:] if _data(each) is None]
    if rest and not written[-1].endswith(("\n", "\r")):
        written[-1] += "\n"
    return [*done[:first], *written, *rest]


def _cleaned(
    said: list[str], lines: list[str], clean: CleanData, *, cut: bool, open_end: bool
) -> list[str] | None:
    """The data lines of an event as they may be shown; None when they stay as they are."""
    data = "\n".join(said)
    whole = lines[-1].endswith(("\n", "\r")) or not open_end
    done = clean(data, cut and not whole) if not (cut and whole) else clean(data + "\n", True)
    if done.removesuffix("\n") == data:
        return None
    ending = lines[0][len(lines[0].rstrip(_ENDS)) :] or "\n"
    written = [f"data: {each}{ending}" for each in done.removesuffix("\n").split("\n")]
    if not whole:
        written[-1] = written[-1].removesuffix(ending)
    return written


def _other(text: str, clean: CleanData, *, cut: bool) -> str:
    bare = text.rstrip(_ENDS)
    ending = text[len(bare) :]
    return clean(bare, cut and not ending) + ending if bare else text
