"""Trace and span ids that leave the app's random numbers alone.

The SDK's come from the global generator of `random`: an app that has seeded it gets other numbers
once it is traced, and one that seeds it anew in each request gives each of them the same ids.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

from opentelemetry.sdk.trace.id_generator import IdGenerator


def _first(count: int) -> int:
    """The first number of a process, which seeds the generator by the system.

    Not before: uWSGI forks behind Python's back, and all its workers would have the same ids.
    """
    global _random_bits  # one generator for each process
    _random_bits = random.Random().getrandbits  # noqa: S311 - ids are no secrets
    return _random_bits(count)


_random_bits: Callable[[int], int] = _first


def _begin_anew() -> None:
    global _random_bits
    _random_bits = _first


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


class PrivateRandomIds(IdGenerator):
    """Random in all bits, as the SDK's. Thread-safe, and different in each child process."""

    def generate_span_id(self) -> int:
        """64 random bits that are not all zero."""
        return _random_bits(64) or self.generate_span_id()

    def generate_trace_id(self) -> int:
        """128 random bits that are not all zero."""
        return _random_bits(128) or self.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """They are, so samplers may rely on it."""
        return True
