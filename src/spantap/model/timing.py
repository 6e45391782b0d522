"""When an exchange began, first answered and ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Nanoseconds since the Unix epoch.

    Attributes:
        start: the request line and headers had arrived.
        first_byte: the first byte of the response body was handed to the server; None when
            there was none.
        end: the last byte was handed to the server (or the exchange failed).
    """

    start: int
    first_byte: int | None
    end: int

    @property
    def duration(self) -> int:
        """Nanoseconds from start to end, never negative."""
        return max(0, self.end - self.start)
