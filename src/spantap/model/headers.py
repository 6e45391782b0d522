"""Header fields in canonical form."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView


class Headers(Mapping[str, tuple[str, ...]]):
    """Lower-case field name -> its values, both in the order they came.

    Look-ups ignore case (RFC 9110, section 5.1). Immutable, hashable by identity only,
    safe to share between threads.
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """Args:
        pairs: name and value of each field line; repeated names are grouped.
        """
        grouped: dict[str, tuple[str, ...]] = {}
        for name, value in pairs:
            key = name.lower()
            seen = grouped.get(key)
            grouped[key] = (value,) if seen is None else (*seen, value)
        self._values = grouped

    @classmethod
    def grouped(cls, values: Mapping[str, Iterable[str]]) -> Headers:
        """Headers from names that are lower-case and grouped already."""
        headers = cls()
        headers._values = {name: tuple(each) for name, each in values.items()}
        return headers

    @classmethod
    def of_lower(cls, pairs: Iterable[tuple[str, str]]) -> Headers:
        """Headers from field lines whose names are lower-case already."""
        grouped: dict[str, tuple[str, ...]] = {}
        for name, value in pairs:
            grouped[name] = (*grouped[name], value) if name in grouped else (value,)
        headers = cls()
        headers._values = grouped
        return headers

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
