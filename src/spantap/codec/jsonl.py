"""One record per line: JSON text, UTF-8, a newline after each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from spantap.codec.record import from_record, to_record
from spantap.model import Exchange


def to_line(exchange: Exchange) -> bytes:
    """The exchange as one JSON line, newline included."""
    return orjson.dumps(to_record(exchange), option=orjson.OPT_APPEND_NEWLINE)


def from_line(line: bytes | str) -> Exchange:
    """The exchange of one line.

    Raises:
        ValueError: it is not JSON, or not a record this release knows.
    """
    try:
        return from_record(orjson.loads(line))
    except (AttributeError, KeyError, TypeError):
        raise ValueError("not a record this release knows") from None


def from_lines(lines: Iterable[bytes]) -> Iterator[Exchange]:
    """The exchanges of JSON lines, in order; blank lines are skipped.

    Raises:
        ValueError: a line is not JSON, or not a record this release knows.
    """
    return (from_line(line) for line in lines if line.strip())
