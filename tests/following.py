"""Stores of either kind to follow, and what a follower gives, as numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from exchanges import START
from spantap.export.follow import Follower
from spantap.export.jsonl import JSONLSink
from spantap.export.sink import Sink
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange
from store_writer import numbered

KINDS: Final[dict[str, Callable[[Path], Sink]]] = {"sqlite": SQLiteSink, "jsonl": JSONLSink}


def numbers(exchanges: Sequence[Exchange]) -> list[int]:
    return [each.timing.start - START for each in exchanges]


def arrived(store: Follower) -> list[int]:
    return numbers(list(store.arrived()))


def stored(kind: str, path: Path, *which: int) -> None:
    """Written, and the file closed."""
    sink = KINDS[kind](path)
    sink.write([numbered(each) for each in which])
    sink.close()
