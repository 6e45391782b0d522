"""What became of the spans of one destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AdoptedStats:
    """Counts of the spans of earlier processes that this one has found on disk.

    ``captured == exported + sum(dropped.values()) + spooled`` at any time.

    Attributes:
        captured: how many it has found.
        exported: how many of them the destination took.
        spooled: how many wait or are being sent.
        dropped: reason -> how many were lost; as in `DeliveryStats`.
    """

    captured: int = 0
    exported: int = 0
    spooled: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeliveryStats:
    """Counts of one destination since the process began.

    ``captured == exported + sum(dropped.values()) + spooled + queued`` at any time.

    Attributes:
        captured: spans offered.
        exported: spans the destination took.
        dropped: reason -> spans it did not get: ``queue_full``, ``budget``, ``shutdown``, ``refused``
            (it will not have them), ``rejected`` (it took the batch without them), ``too_large``,
            ``export_failed`` (it failed in an unknown way, again and again), ``unwritable`` (it has
            no form for a value in them), ``spool_full``, ``spool_age`` (they had to go from the disk),
            ``corrupt`` (the disk has lost them); ``duplicate`` is no loss: it had them already.
        queued: spans waiting or being sent that are in memory alone.
        lightened: what was given up (``bodies``, ``headers``, ``metadata``) -> spans, to keep within
            the memory bound or what the destination takes.
        expired: spans this process has deleted from the store because they were too old or too many;
            whoever wrote them, and whether or not they were counted here.
        left_out: exchanges its policy left out, which is no loss; a collector of spans gets their spans
            all the same, without the record, so only there they are among those captured.
        failures: tries in a row at which it took nothing.
        failing: what it said at the last of them; None when it took the last batch.
        spooled: spans waiting or being sent that are on disk.
        unspooled: spans that were done with and had never been on disk although there is a spool.
        spool_failing: why the disk takes nothing; None when it does.
        adopted: what came of the spans that earlier processes have left on disk.
    """

    captured: int
    exported: int
    queued: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    lightened: Mapping[str, int] = field(default_factory=dict)
    expired: int = 0
    left_out: int = 0
    failures: int = 0
    failing: str | None = None
    spooled: int = 0
    unspooled: int = 0
    spool_failing: str | None = None
    adopted: AdoptedStats = AdoptedStats()
