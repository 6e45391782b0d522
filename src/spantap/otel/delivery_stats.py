"""What became of the spans of one destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeliveryStats:
    """Counts of one destination since the process began.

    ``captured == exported + sum(dropped.values()) + queued`` at any time.

    Attributes:
        captured: spans offered.
        exported: spans the destination took.
        dropped: reason -> spans it did not get: ``queue_full``, ``budget``, ``shutdown``, ``refused``
            (it will not have them), ``rejected`` (it took the batch without them), ``too_large``,
            ``export_failed`` (it failed in an unknown way, again and again), ``unwritable`` (it has
            no form for a value in them), ``unwritten`` (the disk was full in the middle of a batch),
            ``duplicate`` is no loss: it had them already.
        queued: spans waiting or being sent.
        lightened: what was given up (``bodies``, ``headers``, ``metadata``) -> spans, to keep within
            the memory bound or what the destination takes.
        left_out: exchanges its policy left out, which is no loss; a collector of spans gets their spans
            all the same, without the record, so only there they are among those captured.
        failures: tries in a row at which it took nothing.
        failing: what it said at the last of them; None when it took the last batch.
    """

    captured: int
    exported: int
    queued: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    lightened: Mapping[str, int] = field(default_factory=dict)
    left_out: int = 0
    failures: int = 0
    failing: str | None = None
