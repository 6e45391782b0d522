"""What stores have in common: they keep things for a time, and one is as good as another like it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from spantap.export.retention import FOREVER, Retention
from spantap.export.search import EVERYTHING, Filter
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy


class Store(ABC):
    """Base of the stores. Two of the same class, place and terms are equal: a process needs one.

    Attributes:
        name: the kind of store.
        retention: what it lets go of.
        policy: which exchanges it gets, and which fields of them; applied before `write`.
    """

    name = "store"

    def __init__(self, retention: Retention = FOREVER, policy: DestinationPolicy | None = None) -> None:
        """Args:
        retention, policy: see the class.
        """
        self.retention = retention
        self.policy = policy

    @property
    @abstractmethod
    def target(self) -> str:
        """Where it is, as a person would say; nothing secret."""

    @abstractmethod
    def write(self, exchanges: Sequence[Exchange], /) -> Mapping[str, int]:
        """Keep the batch; see `spantap.export.sink.Sink`."""

    @abstractmethod
    def read(self, limit: int | None = 100, wanted: Filter = EVERYTHING) -> list[Exchange]:
        """The newest exchanges first, at most so many (None: all) of those that are wanted."""

    @abstractmethod
    def expire(self) -> int:
        """Let go of what the retention says; how many exchanges are gone since the last call."""

    @abstractmethod
    def close(self) -> None:
        """Release what `write` opened."""

    def terms(self) -> tuple[object, ...]:
        """What else makes one store differ from another in the same place."""
        return (self.retention, self.policy)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Store)
            and type(other) is type(self)
            and (other.target, other.terms()) == (self.target, self.terms())
        )

    def __hash__(self) -> int:
        return hash((type(self), self.target))
