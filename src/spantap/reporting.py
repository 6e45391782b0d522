"""What a process knows of its own capture: the counts, and the report it leaves in its store."""

from __future__ import annotations

import inspect
import os
import platform
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from spantap import clients, instrument
from spantap.export.address import Address
from spantap.export.outcome import DUPLICATE
from spantap.export.sink import ProcessReport
from spantap.otel import otlp
from spantap.otel.current import late_calls
from spantap.otel.delivery_stats import DeliveryStats
from spantap.otel.hooks import HookStats
from spantap.otel.tracing import Tracing
from spantap.policy.policies import PolicyFor
from spantap.policy.rates import RateRule
from spantap.policy.redact import Redactor
from spantap.policy.redact.tally import Tally
from spantap.policy.redact.user_rules import Rule
from spantap.settings import Effective, Loaded
from spantap.settings_redaction import Secret
from spantap.version import __version__

_beginnings: dict[int, int] = {}  # process id -> nanoseconds since the epoch


@dataclass(frozen=True, slots=True)
class RatesStats:
    """How it goes with the rates that are fetched.

    Attributes:
        url: where they are, without secrets.
        taken: how many documents were taken.
        failing: why the last look failed; None when it did not.
    """

    url: str
    taken: int
    failing: str | None


@dataclass(frozen=True, slots=True)
class Stats:
    """What spantap did in this process so far.

    Attributes:
        captured: exchanges kept.
        not_kept: reason -> exchanges not kept (``not_selected``, ``skipped``, ``unsampled``,
            ``sampled_out``, ``masked``, ``failed``).
        destinations: name -> its own counts, spans that are not exchanges included.
        queued_bytes: estimated bytes waiting for delivery.
        hooks: name -> what that hook did and how long it took.
        rates: how it goes with ``CAPTURE_RATES_URL``; None when that is not set.
    """

    captured: int
    not_kept: Mapping[str, int]
    destinations: Mapping[str, DeliveryStats]
    queued_bytes: int
    hooks: Mapping[str, HookStats] = field(default_factory=dict)
    rates: RatesStats | None = None


# The one reason that is no loss: the destination had them already.
HARMLESS: Final = frozenset({DUPLICATE})
# Reason -> what to do about exchanges and spans that were lost for it.
REMEDIES: Final = {
    "queue_full": "it takes less than the traffic brings: raise QUEUE_MAX_ITEMS, or sample",
    "budget": "the memory for queues was spent: raise QUEUE_MAX_BYTES, or lower BODY_MAX_BYTES",
    "refused": "it will not have them: see what it says above; a status 401 or 404 is a wrong token or path",
    "rejected": "it took their batch without them: its own log says why",
    "too_large": "it does not even take them without bodies and headers: raise its limit",
    "export_failed": "it failed again and again in a way nobody foresaw: see the log of the process",
    "spool_full": "the disk spool was full: raise SPOOL_MAX_BYTES, or see why so little is taken",
    "spool_age": "they were in the disk spool for too long: see why its destination took nothing",
    "corrupt": "their records in the disk spool were damaged: the machine or the disk has failed",
    "shutdown": "the process ended before they were taken: give it more time to stop",
    "unwritable": "it has no form for a value in them: please report this",
    "policy_failed": "its policy raised: see the log of the process, and mend it",
    "failed": "capture failed: the log of the process says where; please report this",
}


def about_process(loaded: Loaded, stats: Stats, tracing: Tracing) -> ProcessReport:
    """The report on this process. Arguments of its command line are left out: they may hold secrets."""
    facts = {
        "spantap": __version__,
        "python": platform.python_version(),
        "command": Path(sys.argv[0]).name if sys.argv else "",
        "service": tracing.service,
        "provider": "spantap's" if tracing.own else "the app's",
        "instrumented": [*dict.fromkeys((*instrument.met(), *clients.met(), *_instrumentors()))],
        "settings": [
            {"name": row.name, "value": shown(row), "source": row.source}
            for row in loaded.rows()
            if row.name in loaded.sources
        ],
        "collector": Redactor().url(otlp.target(), Tally()) if "otlp" in stats.destinations else None,
        "captured": stats.captured,
        "not_kept": dict(stats.not_kept),
        "late_calls": late_calls(),
        "queued_bytes": stats.queued_bytes,
        "rates": None if stats.rates is None else asdict(stats.rates),
        "hooks": {
            name: {
                "calls": each.calls,
                "failed": each.failed,
                "mean_ms": round(each.mean_ms, 3),
                "max_ms": round(each.max_ms, 3),
            }
            for name, each in stats.hooks.items()
        },
        "destinations": {
            name: {
                "captured": each.captured,
                "exported": each.exported,
                "queued": each.queued,
                "dropped": dict(each.dropped),
                "lightened": dict(each.lightened),
                "expired": each.expired,
                "left_out": each.left_out,
                "failing": each.failing,
                "spooled": each.spooled,
                "spool_failing": each.spool_failing,
                "adopted": asdict(each.adopted),
            }
            for name, each in stats.destinations.items()
        },
    }
    return ProcessReport(socket.gethostname(), os.getpid(), _began(), time.time_ns(), facts)


def shown(row: Effective) -> str:
    """A setting's value as a person would write it; objects by their class."""
    value: Any = row.value
    if value is None:
        return "not set"
    if isinstance(value, Address):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Secret):
        return "set"
    if isinstance(value, tuple):
        plain = (str, Rule, RateRule, PolicyFor)
        return (
            ", ".join(str(each) if isinstance(each, plain) else type(each).__name__ for each in value)
            or "none"
        )
    if inspect.isfunction(value):
        return f"{value.__module__}:{value.__qualname__}"
    return str(value) if isinstance(value, (str, int, float, Path)) else type(value).__name__


def _instrumentors() -> list[str]:
    """Other people's instrumentations that are at work in this process."""
    module = sys.modules.get("opentelemetry.instrumentation.instrumentor")
    classes = [] if module is None else list(module.BaseInstrumentor.__subclasses__())
    names = set()
    for each in classes:
        classes.extend(each.__subclasses__())
        if getattr(each._instance, "_is_instrumented_by_opentelemetry", False):
            names.add(each.__module__.removeprefix("opentelemetry.instrumentation."))
    return sorted(name for name in names if not name.startswith("spantap."))


def _began() -> int:
    """When this process was first asked; a fork of it is another process."""
    return _beginnings.setdefault(os.getpid(), time.time_ns())
