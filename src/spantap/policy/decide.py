"""Which destinations a finished exchange goes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from spantap.model import Exchange
from spantap.policy.redact import Tally

Unsampled = Literal["own", "all", "none"]


@dataclass(frozen=True, slots=True)
class Drop:
    """An exchange that is not kept, and why.

    Attributes:
        reason: a short word that is counted and shown (``skipped``, ``unsampled``).
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an exchange: the clean record, or why there is none."""

    exchange: Exchange | Drop
    tally: Tally


NOT_SELECTED: Final = Drop("not_selected")


def decide(*, sampled: bool, unsampled: Unsampled, skipped: bool, kept: bool) -> Drop | None:
    """Whether to keep an exchange, once its outcome is known.

    Args:
        sampled: its trace was sampled by OpenTelemetry.
        unsampled: what to do when it was not: ``own`` and ``all`` keep it (the delivery
            tells them apart), ``none`` drops it.
        skipped: the app said ``current().skip()``.
        kept: the app said ``current().keep()``, which beats sampling but not `skipped`.
    """
    if skipped:
        return Drop("skipped")
    if not sampled and unsampled == "none" and not kept:
        return Drop("unsampled")
    return None
