"""Header fields in canonical form."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Final

_LINE: Final = 32


class Headers(Mapping[str, tuple[str, ...]]):
    """Lower-case field name -> its values, both in the order they came.

    Look-ups ignore case (RFC 9110, section 5.1). Immutable, hashable by identity only,
    safe to share between threads.

    Attributes:
        size: characters of all names and values, and 32 for each field line, as RFC 9113 counts the size
            of a field section (section 6.5.2).
    """

    __slots__ = ("_values", "size")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """Args:
        pairs: name and value of each field line; repeated names are grouped.
        """
        self._group([(name.lower(), value) for name, value in pairs])

    @classmethod
    def grouped(cls, values: Mapping[str, Iterable[str]]) -> Headers:
        """Headers from names that are lower-case and grouped already."""
        return cls.of_lower([(name, value) for name, each in values.items() for value in each])

    @classmethod
    def of_lower(cls, pairs: Iterable[tuple[str, str]]) -> Headers:
        """Headers from field lines whose names are lower-case already."""
        headers = cls.__new__(cls)
        headers._group(pairs)
        return headers

    def _group(self, pairs: Iterable[tuple[str, str]]) -> None:
        grouped: dict[str, tuple[str, ...]] = {}
        size = 0
        for name, value in pairs:
            grouped[name] = (*grouped[name], value) if name in grouped else (value,)
            size += len(name) + len(value) + _LINE
        self._values = grouped
        self.size = size

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    # Those of `Mapping` look each field up again.

    def items(self) -> ItemsView[str, tuple[str, ...]]:
        """Field names and their values."""
        return self._values.items()

    def values(self) -> ValuesView[tuple[str, ...]]:
        """The values of each field."""
        return self._values.values()

    def __repr__(self) -> str:
        return f"Headers({self._values!r})"

    def first(self, name: str) -> str | None:
        """The first value of a field, or None when it is absent."""
        values = self._values.get(name.lower())
        return values[0] if values else None
