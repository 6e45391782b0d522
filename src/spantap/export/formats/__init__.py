"""The shapes in which batches go to HTTP collectors, each a file here, or anybody's plug-in.

A plug-in is an object with the attributes of `Format`, named in the entry point group
``spantap_format``; `HTTPSink` takes one as it is, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Final, Protocol

from spantap.export.formats.native import NDJSON, JSONArray
from spantap.model import Exchange

GROUP: Final = "spantap_format"


class Format(Protocol):
    """How a batch is written.

    Attributes:
        media_type: the ``Content-Type`` of it.
    """

    media_type: str

    def encode(self, exchanges: Sequence[Exchange], /) -> bytes:
        """The batch as bytes.

        Raises:
            TypeError, ValueError, OverflowError: a value has no form here.
        """


_OURS: Final[dict[str, Format]] = {"spantap": JSONArray(), "ndjson": NDJSON()}


def known() -> list[str]:
    """The names of all formats there are."""
    return [*_OURS, *sorted({each.name for each in entry_points(group=GROUP)} - _OURS.keys())]


def named(name: str) -> Format:
    """The format of a name.

    Raises:
        LookupError: there is none.
    """
    if name in _OURS:
        return _OURS[name]
    for each in entry_points(group=GROUP, name=name):
        found: Format = each.load()
        return found
    raise LookupError(name)
