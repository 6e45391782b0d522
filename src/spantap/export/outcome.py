"""What a destination may say to a batch, beside taking it.

One vocabulary for all of them: a destination raises one of these, or returns how many of the
batch it did not keep, by reason; when to try again, how to cut and what to count is the queue's
business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

DUPLICATE: Final = "duplicate"  # the destination had it already: nothing is lost
REJECTED: Final = "rejected"  # it took the batch, but not this one

# What HTTP servers answer when another try, later, may go well.
_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_DIVISIBLE: Final = frozenset({400, 422})  # it may be one record of them all


class NotTakenError(Exception):
    """The batch was not taken. The text says why, in the user's words and without secrets."""


class TryLaterError(NotTakenError):
    """Not now: the same batch may be taken later.

    Attributes:
        wait: seconds the destination asked to be left alone; None when it did not say.
    """

    def __init__(self, says: str, wait: float | None = None) -> None:
        """Args:
        says: why.
        wait: see `wait`.
        """
        super().__init__(says)
        self.wait = wait


class TooLargeError(NotTakenError):
    """Smaller batches, or lighter records, may be taken."""


class RefusedError(NotTakenError):
    """Trying the same again is no use.

    Attributes:
        divisible: one record may be the cause; the others may be taken without it.
    """

    def __init__(self, says: str, *, divisible: bool = False) -> None:
        """Args:
        says: why.
        divisible: see `divisible`.
        """
        super().__init__(says)
        self.divisible = divisible


def refusal(status: int, retry_after: str | None = None, later: frozenset[int] = _LATER) -> NotTakenError:
    """What an HTTP status other than 2xx means for a batch.

    Args:
        status: of the answer.
        retry_after: the field of that name: seconds, or a date (RFC 9110, section 10.2.3).
        later: the statuses after which to try again.
    """
    says = f"answers {status}"
    if status in later:
        return TryLaterError(says, seconds_of(retry_after))
    if status == 413:
        return TooLargeError(says)
    return RefusedError(says, divisible=status in _DIVISIBLE)


def seconds_of(retry_after: str | None) -> float | None:
    """How long a ``Retry-After`` field asks to wait; None when there is none, or none that can be read."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), 86_400.0)
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, at - time.time()) if math.isfinite(at) else None


def not_kept(**counts: int) -> Mapping[str, int]:
    """The counts that are not 0."""
    return {reason: count for reason, count in counts.items() if count > 0}


def root_cause(error: BaseException) -> str:
    """What a user would call it; the libraries wrap it several times."""
    while True:
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return getattr(error, "strerror", None) or getattr(error, "verify_message", None) or type(error).__name__
