"""Tables in JSON: the names in one array, the values in others, by their position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from spantap.policy.redact.keys import SensitiveNames

HEADINGS: Final = frozenset({"columns", "fields", "header", "headers", "keys", "names", "schema"})
_ROWS: Final = ("rows", "values", "data", "records")

Cell = tuple[list[Any], int]  # a row, and a place in it


def has_columns(node: dict[str, Any]) -> bool:
    """Whether an object has a list of names and one of rows or values."""
    return not HEADINGS.isdisjoint(node) and any(type(node.get(each)) is list for each in _ROWS)


def below_columns(node: dict[str, Any], names: SensitiveNames) -> Iterator[Cell]:
    """``{"columns": ["user", "password"], "rows": [["ann", "..."]]}``; columns may be objects with a name."""
    for heading in HEADINGS.intersection(node):
        titles = node[heading]
        secret = _secret(titles, names) if type(titles) is list else []
        for rows in [node.get(each) for each in _ROWS] if secret else ():
            if type(rows) is not list:
                continue
            if len(rows) == len(titles) and not any(type(each) is list for each in rows):
                rows = [rows]
            for row in rows:
                if type(row) is list and len(row) == len(titles):
                    yield from ((row, index) for index in secret)


def below_heading(rows: list[Any], names: SensitiveNames) -> Iterator[Cell]:
    """``[["user", "password"], ["ann", "..."]]``; two columns may be pairs, with the names in the first."""
    titles = rows[0]
    if len(titles) < 2 or not all(type(each) is str for each in titles):
        return
    for index in _secret(titles, names):
        if index or len(titles) > 2:
            for row in rows[1:]:
                if type(row) is list and len(row) == len(titles):
                    yield row, index


def _secret(titles: list[Any], names: SensitiveNames) -> list[int]:
    said = [each.get("name") if type(each) is dict else each for each in titles]
    return [index for index, name in enumerate(said) if type(name) is str and name in names]
