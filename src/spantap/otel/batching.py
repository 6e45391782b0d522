"""When a batch goes out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batching:
    """When a batch goes out.

    Attributes:
        max_items: spans a batch has at most.
        max_bytes: estimated bytes a batch has at most; below the 4 MiB that gRPC servers take.
        delay: seconds the first span of a batch waits at most.
        max_queued: spans the queue holds at most.
    """

    max_items: int = 512
    max_bytes: int = 2 * 1024 * 1024
    delay: float = 0.5
    max_queued: int = 10_000
