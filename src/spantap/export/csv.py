"""Exchanges as rows of a CSV file (RFC 4180), for spreadsheets; several processes may share it.

What a spreadsheet would take for a formula is made text: in front of a cell that begins with one of
``= + - @``, a tab or a line end goes an apostrophe, as OWASP advises ("CSV Injection").
"""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from spantap.codec.flat import COLUMNS, FLAGS, INTEGERS, NUMBERS, from_row, to_row
from spantap.export.lines import LinesSink
from spantap.export.retention import FOREVER, Retention, Rotation
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy

# Also after blanks, which some readers pass over, in the wide forms that some take for the narrow ones,
# and the apostrophe itself, so that one in front can be told from one that was there.
_FORMULA: Final = re.compile(r"\s*[=+\-@'\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
# Field of a policy -> its columns, where they are called otherwise.
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "date": ("time",),
    "host_url": ("scheme", "host"),
    "remote_address": ("client_address",),
    "response_time": ("duration_ms",),
    "exception": ("error_type", "error_message"),
    "identity": ("user_id", "company_id", "session_id", "device_id"),
    "request_body": ("request_body", "request_body_truncated", "request_body_withheld"),
    "response_body": ("response_body", "response_body_truncated", "response_body_withheld"),
}
_END: Final = "\r\n"
_LONGEST: Final = 1 << 27  # characters of a cell that are read


class CSVSink(LinesSink):
    """Appends a row for each exchange, and a line with the names of the columns at the beginning.

    A file that begins with other columns, or ends in the middle of a row, is set aside.

    Attributes:
        name: ``csv``.
        columns: the names of the columns, in order.
    """

    name = "csv"
    heads = 1

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        columns: Sequence[str] | None = None,
        retention: Retention = FOREVER,
        rotation: Rotation | None = None,
        policy: DestinationPolicy | None = None,
    ) -> None:
        """Args:
        path: the file; its directory must exist.
        columns: which of `spantap.codec.flat.COLUMNS` there are, in this order. None: all of them, or
            those of the fields the policy names, in its order.
        retention, rotation, policy: see `LinesSink`.

        Raises:
            ValueError: there is no such column.
        """
        super().__init__(path, retention=retention, rotation=rotation, policy=policy)
        if columns is None:
            columns = COLUMNS if policy is None or policy.kept is None else _columns_of(policy.kept)
        unknown = set(columns) - set(COLUMNS)
        if unknown:
            raise ValueError(
                f"no such columns: {', '.join(sorted(unknown))}; use some of {', '.join(COLUMNS)}"
            )
        self.columns = tuple(columns)
        self._head = _line(self.columns)

    def terms(self) -> tuple[object, ...]:
        """Retention, policy, rotation and columns."""
        return (*super().terms(), self.columns)

    def line(self, exchange: Exchange) -> bytes:
        """The exchange as a row."""
        row = to_row(exchange)
        return _line([_cell(row[column]) for column in self.columns])

    def begin(self, descriptor: int) -> bytes | None:
        """The names of the columns where the file is empty."""
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return b""
        if not found.st_size:
            return self._head
        whole = os.pread(descriptor, 1, found.st_size - 1) == b"\n"
        return b"" if whole and os.pread(descriptor, len(self._head), 0) == self._head else None

    def backwards(self, path: Path) -> Iterator[Exchange]:
        """The exchanges of one file, the last first; what cannot be read is left out."""
        return reversed(list(_exchanges(path)))

    def count(self, blocks: Iterable[bytes]) -> int:
        """How many lines there are outside of quotes."""
        lines = 0
        quoted = False
        for block in blocks:
            for part in block.split(b'"'):
                lines += 0 if quoted else part.count(b"\n")
                quoted = not quoted
            quoted = not quoted  # between the last part and the next block's first is no quote
        return lines

    def first(self, path: Path) -> int | None:
        """When the first exchange of a file was over; None when its columns do not tell."""
        exchange = next(_exchanges(path), None)
        return (exchange.timing.end or exchange.timing.start or None) if exchange else None


def _columns_of(fields: Sequence[str]) -> tuple[str, ...]:
    """Those of some fields, and what makes a record of them."""
    columns = [column for each in fields for column in _FIELDS.get(each, (each,))]
    times = ["start_ns", "end_ns"] if "date" in fields else []
    return tuple(dict.fromkeys([*columns, "trace_id", "span_id", *times]))


def _line(cells: Sequence[str]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator=_END).writerow(cells)
    return line.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    text = str(value).replace("\0", "\ufffd")  # which hardly any reader takes
    return f"'{text}" if isinstance(value, str) and _FORMULA.match(text) else text


def _exchanges(path: Path) -> Iterator[Exchange]:
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST))
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.reader(_lines(file))
        try:
            names = next(rows, [])
        except csv.Error:
            return
        while True:
            try:
                cells = next(rows)
                yield from_row(_read(names, cells))
            except StopIteration:
                return
            except ValueError:
                continue
            except csv.Error:
                continue


def _lines(file: io.TextIOWrapper) -> Iterator[str]:
    return iter(file.readline, "")


def _read(names: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, text in zip(names, cells, strict=True):
        if not text:
            continue
        if name in INTEGERS:
            row[name] = int(text)
        elif name in NUMBERS:
            row[name] = float(text)
        elif name in FLAGS:
            row[name] = text == "true"
        else:
            row[name] = text.removeprefix("'")
    return row
