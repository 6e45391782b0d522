"""What becomes of exchanges, as OpenTelemetry metrics: `OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED`.

The same counts as `Handle.stats()`, read when metrics are collected: nothing is done in a request. Names
are those the semantic conventions have for processors and exporters (one pair of them for each
destination), as far as there are any; the others begin with ``spantap.``. For each destination, at any
time: ``spantap.span.captured`` is the sum of ``otel.sdk.exporter.span.exported`` (with and without
``error.type``), of ``otel.sdk.processor.span.processed`` with an ``error.type``, of
``otel.sdk.processor.span.queue.size``, and of ``spantap.span.spooled``. What an earlier process has left
on disk is not in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from spantap.otel.budget import Budget
from spantap.otel.delivery_stats import DeliveryStats
from spantap.otel.queue import DeliveryQueue
from spantap.otel.tracing import SCOPE
from spantap.version import __version__

VARIABLE: Final = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"
# What the queue itself gave up; every other reason is what the destination said.
_BY_THE_QUEUE: Final = frozenset({"queue_full", "budget", "shutdown", "spool_full", "spool_age", "corrupt"})
_TYPE: Final = "spantap_queue"


@dataclass(frozen=True, slots=True)
class Source:
    """What is counted.

    Attributes:
        counts: ``captured`` exchanges, and exchanges not kept by reason.
        queues: the queue of every destination.
        budget: the memory they share.
    """

    counts: Callable[[], Mapping[str, int]]
    queues: Callable[[], Sequence[DeliveryQueue]]
    budget: Budget


def wanted() -> bool:
    """Whether the environment asks for it, as it asks the SDK."""
    return os.environ.get(VARIABLE, "").strip().lower() == "true"


def observe(source: Source) -> None:
    """Tell the counts of this source from now on, to the meter provider there is or will be."""
    global _source, _made  # one capture per process
    _source = source
    if not _made:
        _made = True
        _make()


def forget() -> None:
    """Tell nothing any more."""
    global _source, _moment  # one capture per process
    _source = _moment = None


@dataclass(slots=True)
class _Moment:
    """All counts at one time: what is collected together has to add up.

    Attributes:
        captured, not_kept: exchanges.
        destinations: the attributes, the counts and the capacity of each.
        memory, limit: in bytes.
        told: the instruments that have told theirs: who asks again begins the next collection.
    """

    captured: int
    not_kept: Mapping[str, int]
    destinations: Sequence[tuple[Mapping[str, str], DeliveryStats, int]]
    memory: int
    limit: int
    told: set[str] = field(default_factory=set)

    @classmethod
    def now(cls, source: Source) -> _Moment:
        counts = dict(source.counts())
        destinations = [
            (
                {"otel.component.type": _TYPE, "otel.component.name": f"{_TYPE}/{queue.name}"},
                queue.stats(),
                queue.capacity,
            )
            for queue in source.queues()
        ]
        captured = counts.pop("captured", 0)
        return cls(captured, counts, destinations, source.budget.used, source.budget.limit)


_source: Source | None = None
_moment: _Moment | None = None
_made = False

_Values: TypeAlias = Iterator[tuple[int, Mapping[str, str]]]


def _make() -> None:
    meter = metrics.get_meter(SCOPE, __version__)
    for kind, name, unit, description, values in (
        ("counter", "spantap.exchange.captured", "{exchange}", "Exchanges kept.", _captured),
        ("counter", "spantap.exchange.dropped", "{exchange}", "Exchanges not kept.", _not_kept),
        ("counter", "spantap.span.captured", "{span}", "Spans offered to a destination.", _offered),
        ("counter", "otel.sdk.processor.span.processed", "{span}", "Spans a queue is done with.", _processed),
        ("counter", "otel.sdk.exporter.span.exported", "{span}", "Spans whose export has ended.", _exported),
        ("level", "otel.sdk.processor.span.queue.size", "{span}", "Spans waiting, or being sent.", _queued),
        ("level", "spantap.span.spooled", "{span}", "Spans on disk, waiting or being sent.", _spooled),
        ("level", "otel.sdk.processor.span.queue.capacity", "{span}", "Spans a queue may hold.", _capacity),
        ("level", "spantap.queue.memory.usage", "By", "Estimated bytes all queues hold.", _used),
        ("level", "spantap.queue.memory.limit", "By", "Bytes all queues may hold together.", _limit),
    ):
        counter, level = meter.create_observable_counter, meter.create_observable_up_down_counter
        (counter if kind == "counter" else level)(name, [_told(name, values)], unit, description)


def _told(
    name: str, values: Callable[[_Moment], _Values]
) -> Callable[[CallbackOptions], Iterator[Observation]]:
    def callback(options: CallbackOptions) -> Iterator[Observation]:
        global _moment  # one capture per process
        source, moment = _source, _moment
        if source is None:
            return
        if moment is None or name in moment.told:
            moment = _moment = _Moment.now(source)
        moment.told.add(name)
        for value, attributes in values(moment):
            yield Observation(value, attributes)

    return callback


def _captured(now: _Moment) -> _Values:
    yield now.captured, {}


def _not_kept(now: _Moment) -> _Values:
    for reason, count in now.not_kept.items():
        yield count, {"spantap.reason": reason}


def _offered(now: _Moment) -> _Values:
    for component, stats, _ in now.destinations:
        yield stats.captured, component


def _processed(now: _Moment) -> _Values:
    for component, stats, _ in now.destinations:
        given_up = {reason: count for reason, count in stats.dropped.items() if reason in _BY_THE_QUEUE}
        yield stats.captured - stats.queued - stats.spooled - sum(given_up.values()), component
        for reason, count in given_up.items():
            yield count, {**component, "error.type": reason}


def _exported(now: _Moment) -> _Values:
    for component, stats, _ in now.destinations:
        yield stats.exported, component
        for reason, count in stats.dropped.items():
            if reason not in _BY_THE_QUEUE:
                yield count, {**component, "error.type": reason}


def _queued(now: _Moment) -> _Values:
    for component, stats, _ in now.destinations:
        yield stats.queued, component


def _spooled(now: _Moment) -> _Values:
    for component, stats, _ in now.destinations:
        yield stats.spooled, component


def _capacity(now: _Moment) -> _Values:
    for component, _, capacity in now.destinations:
        yield capacity, component


def _used(now: _Moment) -> _Values:
    yield now.memory, {}


def _limit(now: _Moment) -> _Values:
    yield now.limit, {}
