"""One exchange as one aligned line, in pieces that may be coloured. Needs the core install only.

The columns are those of `view.exchange_table`; here they have fixed widths, because a line is
printed before the next one is known.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from spantap.cli.units import clock, duration, printable, size
from spantap.codec.attributes import asked_for
from spantap.export.search import who
from spantap.model import Exchange


class Piece(NamedTuple):
    """Some text and what it is: the name of its column, ``query``, ``error`` or a class (``5xx``)."""

    kind: str
    text: str


Target = tuple[Piece, Piece, Piece]
"""The path, the query and the error."""

_GAP: Final = Piece("", " ")
_NOTHING: Final = Piece("", "")


@dataclass(frozen=True, slots=True)
class Column:
    """A column beside the path, which gets the room that is left.

    Attributes:
        name: the heading.
        width: characters at least.
        right: aligned to the right.
        longest: characters at most, where lines are cut.
    """

    name: str
    width: int
    right: bool = False
    longest: int = 12


LEFT: Final = (Column("time", 12), Column("method", 7))
SHORT_LEFT: Final = (Column("time", 8), Column("method", 7))  # without the milliseconds
RIGHT: Final[tuple[Column, ...]] = (
    Column("status", 6, right=True),
    Column("duration", 8, right=True),
    Column("1st byte", 8, right=True),
    Column("request", 7, right=True),
    Column("response", 8, right=True),
    Column("user", 10, longest=10),
)
# What goes first, and the room the path needs for it to stay; of the time, the milliseconds go.
SHED: Final = (("1st byte", 24), ("request", 24), ("response", 24), ("time", 20), ("user", 12))


class Layout:
    """Where everything goes in lines of a width."""

    def __init__(self, width: int, *, cut: bool) -> None:
        """Args:
        width: of the terminal, in characters.
        cut: shorten what does not fit. Otherwise the line grows: nothing is missing for a grep.
        """
        self._width, self._cut = width, cut
        self._left, self._right = LEFT, RIGHT
        for name, needed in SHED:
            if self._room() >= needed:
                break
            self._right = tuple(each for each in self._right if each.name != name)
            if name == "time":
                self._left = SHORT_LEFT

    def heading(self) -> str:
        """The names of the columns, each where its values will be."""
        names = {each.name: Piece(each.name, each.name) for each in LEFT + RIGHT}
        return plain(self._line(names, (Piece("path", "path"), _NOTHING, _NOTHING)))

    def line(self, exchange: Exchange) -> list[Piece]:
        """The line of an exchange, in pieces, without a newline; its end may be blank."""
        values = _values(exchange)
        time = values["time"].text[: self._left[0].width]
        return self._line({**values, "time": Piece("time", time)}, _target(exchange))

    def _room(self) -> int:
        """For the path, when no value is wider than its column."""
        return self._width - sum(each.width + 1 for each in self._left + self._right)

    def _line(self, values: dict[str, Piece], target: Target) -> list[Piece]:
        left = [self._cell(column, values[column.name]) for column in self._left]
        right = [self._cell(column, values[column.name]) for column in self._right]
        room = self._width - sum(width(each.text) + 1 for each in left + right)
        return [
            *(piece for cell in left for piece in (cell, _GAP)),
            *self._path(target, max(1, room)),
            *(piece for cell in right for piece in (_GAP, cell)),
        ]

    def _cell(self, column: Column, value: Piece) -> Piece:
        text = shortened(value.text, column.longest) if self._cut else value.text
        fill = " " * (column.width - width(text))
        return value._replace(text=fill + text if column.right else text + fill)

    def _path(self, target: Target, room: int) -> list[Piece]:
        path, query, error = target
        if self._cut:
            # The error may take half, or what the path leaves.
            address = path.text + query.text
            error = Piece("error", shortened(error.text, max(room // 2, room - width(address))))
            address = shortened(address, room - width(error.text))
            query = Piece("query", address[len(path.text) :])
            path = Piece("path", address[: len(path.text)])
        fill = " " * (room - sum(width(each.text) for each in (path, query, error)))
        return [path, query, error, Piece("", fill)]


def plain(pieces: Sequence[Piece]) -> str:
    """The line without colours."""
    return "".join(each.text for each in pieces).rstrip()


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def shortened(text: str, room: int) -> str:
    """The text, or as much of its beginning as fits with an ellipsis behind it."""
    if width(text) <= room:
        return text
    # As many characters as there are columns are never too few; wide ones may be too many.
    text = text[: max(0, room - 1)]
    while width(text) >= room > 0:
        text = text[:-1]
    return text + "…" * (room > 0)


def _width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _values(exchange: Exchange) -> dict[str, Piece]:
    timing, code = exchange.timing, exchange.response.status
    arrow = "→ " if exchange.direction == "outbound" else ""
    first = None if timing.first_byte is None else max(0, timing.first_byte - timing.start)
    texts = {
        "time": clock(timing.start),
        "method": arrow + printable(exchange.request.method),
        "duration": duration(timing.duration),
        "1st byte": duration(first),
        "request": size(exchange.request.body.size),
        "response": size(exchange.response.body.size),
        "user": printable(who(exchange.identity)),
    }
    answer = Piece("none", "none") if code is None else Piece(f"{code // 100}xx", str(code))
    return {"status": answer, **{name: Piece(name, text) for name, text in texts.items()}}


def _target(exchange: Exchange) -> Target:
    request, error = exchange.request, exchange.error
    why = "" if error is None or error.type == str(exchange.response.status) else error.type
    return (
        Piece("path", printable(asked_for(exchange))),
        Piece("query", printable(request.query and f"?{request.query}")),
        Piece("error", printable(why and f"  {why.rpartition('.')[2]}")),
    )
