"""What a row of the table of settings is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """What a setting takes.

    Attributes:
        takes: in words; follows "use" in an error.
        parse: the value from what was given; raises a ValueError that says what it takes.
        secret: what is given is not shown, neither right nor wrong.
    """

    takes: str
    parse: Callable[[Any], Any]
    secret: bool = False


def row(default: Any, kind: Kind, doc: str, *, in_code_only: bool = False) -> Any:
    """A field of the table."""
    return field(default=default, metadata={"kind": kind, "doc": doc, "in_code_only": in_code_only})
