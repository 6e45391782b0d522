"""What stores have in common: they keep things for a time, and one is as good as another like it."""

from __future__ import annotations

from spantap.export.retention import FOREVER, Retention


class Store:
    """Base of the stores. Two of the same class, place and terms are equal: a process needs one.

    Attributes:
        name: the kind of store.
        retention: what it lets go of.
    """

    name = "store"

    def __init__(self, retention: Retention = FOREVER) -> None:
        """Args:
        retention: see the class.
        """
        self.retention = retention

    @property
    def target(self) -> str:
        """Where it is, as a person would say; nothing secret."""
        raise NotImplementedError

    def terms(self) -> tuple[object, ...]:
        """What else makes one store differ from another in the same place."""
        return (self.retention,)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Store)
            and type(other) is type(self)
            and (other.target, other.terms()) == (self.target, self.terms())
        )

    def __hash__(self) -> int:
        return hash((type(self), self.target))
