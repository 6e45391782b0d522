"""The port every destination implements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy


class Sink(Protocol):
    """Somewhere exchanges go: a file, a database, a peer.

    Only the worker thread of the sink's own queue calls `write` and `close`, one call at a
    time, so a sink needs no locks of its own for them. Nothing is opened before the first
    `write` of a process; after a fork the child gets a `write` on an object whose handles
    belong to the parent, so a sink remembers the process id it opened in.

    Attributes:
        name: the destination's short name (``sqlite``); with target it tells two sinks apart.
        target: where it writes, as the user would recognise it (a path, a URL without secrets).
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def target(self) -> str: ...  # noqa: D102

    def write(self, exchanges: Sequence[Exchange], /) -> Mapping[str, int] | None:
        """Keep the batch, in one try. The queue tries again, cuts and counts.

        Returns:
            Reason -> how many of the batch were not kept; None or empty when all were.

        Raises:
            NotTakenError: nothing was kept; which one says whether to try again
                (`spantap.export.outcome`).
            OSError: nothing was kept; it is tried again for as long as it takes.
            TypeError, ValueError, OverflowError: a value has no form here; the queue offers the
                batch again in halves, until only the exchange with that value is lost.
            Exception: nothing was kept; it is tried a few times more, then counted as lost.
        """

    def close(self) -> None:
        """Release what `write` opened; a later `write` opens it again."""


@runtime_checkable
class Batched(Protocol):
    """What a sink may say beside `Sink`: when its batches go out; None is as for all destinations.

    Attributes:
        batch_size: exchanges a batch has at most.
        flush_interval: seconds the first one of a batch waits for others.
    """

    batch_size: int | None
    flush_interval: float | None


@runtime_checkable
class Remote(Protocol):
    """What a sink may say beside `Sink`: how safe from the end of the process it is.

    Attributes:
        remote: it may not be there when it is needed: the spool, where there is one, keeps for it.
    """

    remote: bool


@runtime_checkable
class Expiring(Protocol):
    """What a sink may offer beside `Sink`: it does not keep everything for ever.

    Called like `write`, about once a minute: by the worker thread, one call at a time.
    """

    def expire(self) -> int:
        """Let go of what is too old or too much; returns how many exchanges are gone since the last call.

        It raises what `write` does when that cannot be done now.
        """


@runtime_checkable
class Governed(Protocol):
    """What a sink may say beside `Sink`: which exchanges it gets, and which fields of them.

    Attributes:
        policy: None is all of them, whole. It is applied before `write`; `DestinationPolicy.kept` tells
            a sink with columns which of them are asked for.
    """

    policy: DestinationPolicy | None


def policy_of(sink: Sink) -> DestinationPolicy | None:
    """The policy a sink has of its own."""
    return sink.policy if isinstance(sink, Governed) else None


@runtime_checkable
class Probing(Protocol):
    """What a sink may offer beside `Sink`: `spantap doctor` asks whether its collector answers."""

    def probe(self, seconds: float, /) -> str | None:
        """Ask; what is wrong, None when nothing is. Says nothing secret."""


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """What a capturing process says of itself, for `spantap doctor`.

    Attributes:
        host, pid, started: which process; started in nanoseconds since the epoch.
        updated: when it said so, in nanoseconds since the epoch.
        facts: settings and their sources, counts, versions; JSON types, no secrets.
    """

    host: str
    pid: int
    started: int
    updated: int
    facts: Mapping[str, Any]


@runtime_checkable
class Reporting(Protocol):
    """What a sink may offer beside `Sink`: a place for the reports of processes.

    Called like `write`: by the worker thread, one call at a time.
    """

    def report(self, about: ProcessReport, /) -> None:
        """Keep the report in the place of the process's last one; raises when it was not kept."""
