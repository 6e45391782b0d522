"""Where exchanges go: the destinations that settings and environment name, and a queue for each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spantap.export.files import why_not_writable
from spantap.export.jsonl import JSONLSink
from spantap.export.sink import ProcessReport, Sink
from spantap.export.sqlite import SQLiteSink
from spantap.guard import logger
from spantap.model import ConfigurationError, Problem
from spantap.otel import exporters, otlp, standard
from spantap.otel.exporter import SinkExporter
from spantap.otel.limits import WithinLimits
from spantap.otel.processor import Route
from spantap.otel.queue import DeliveryQueue
from spantap.otel.retry import Delivery
from spantap.settings import PREFIX, Loaded, Settings


@dataclass(frozen=True, slots=True)
class Chosen:
    """The destinations that settings and environment name.

    Attributes:
        sinks: ours, each once.
        otlp: whether spans go to an OTLP collector.
        others: exporters of somebody else's, by entry point.
    """

    sinks: tuple[Sink, ...]
    otlp: bool
    others: tuple[str, ...]


def chosen(wanted: Settings) -> Chosen:
    """Where exchanges go; the same destination twice (name and target) is one. Nothing is opened.

    Raises:
        ConfigurationError: no destination is set and the default store cannot be written.
    """
    listed = exporters.named()
    sinks: dict[tuple[str, str], Sink] = {}
    by_name = {
        name: exporters.sink_named(name, wanted.sqlite_path, wanted.jsonl_path) for name in listed or ()
    }
    for sink in (*wanted.destinations, *_by_path(wanted), *filter(None, by_name.values())):
        sinks.setdefault((sink.name, sink.target), sink)
    # Listed, it is wanted wherever it may be; not listed, only if an endpoint says where.
    otlp_wanted = otlp.endpoint() is not None if listed is None else not exporters.OTLP.isdisjoint(listed)
    if listed is None and not otlp_wanted and not sinks:
        default = _default_store()
        sinks[default.name, default.target] = default
    others = [name for name, sink in by_name.items() if sink is None and name not in exporters.OTLP]
    return Chosen(tuple(sinks.values()), otlp_wanted, tuple(others))


def routes(loaded: Loaded, report: Callable[[], ProcessReport]) -> list[Route]:
    """One queue per destination; nothing is opened.

    Args:
        loaded: the settings.
        report: makes the report on this process, for the stores that keep it.

    Raises:
        ConfigurationError: as `chosen`.
    """
    wanted = loaded.settings
    # Said by us, it counts more than the batch processor's OTEL_BSP_MAX_QUEUE_SIZE; the default does not.
    own_bound = wanted.queue_max_items if "queue_max_items" in loaded.sources else None
    batching = standard.batching(own_bound)
    where = chosen(wanted)
    made = []
    for sink in where.sinks:
        exporters.serve(sink)
        opened = functools.partial(SinkExporter, sink, report)
        queue = DeliveryQueue(_named(sink, where.sinks), opened, batching)
        made.append(Route(queue, exchanges_only=True, sampled_only=False))
    openers: dict[str, Callable[[], Delivery]] = {
        name: functools.partial(exporters.ForeignDelivery, name) for name in where.others
    }
    if where.otlp:
        otlp.prepare()
        openers["otlp"] = otlp.open_otlp
    for name, opener in openers.items():
        queue = DeliveryQueue(name, functools.partial(WithinLimits, opener), batching)
        made.append(Route(queue, exchanges_only=False, sampled_only=True))
    for route in made:
        logger.debug("destination %s", route.queue.name)
    return made


def _default_store() -> Sink:
    reason = why_not_writable(Path(exporters.DEFAULT_SQLITE))
    if reason is not None:
        setting = f"{PREFIX}SQLITE_PATH"
        raise ConfigurationError(
            [Problem(setting, f"./{exporters.DEFAULT_SQLITE} (default)", f"{reason}; set another path")]
        )
    return SQLiteSink(exporters.DEFAULT_SQLITE)


def _by_path(wanted: Settings) -> list[Sink]:
    sinks: list[Sink] = []
    if wanted.sqlite_path is not None:
        sinks.append(SQLiteSink(wanted.sqlite_path))
    if wanted.jsonl_path is not None:
        sinks.append(JSONLSink(wanted.jsonl_path))
    return sinks


def _named(sink: Sink, sinks: Sequence[Sink]) -> str:
    """Its name, with the target when two share it."""
    alone = sum(each.name == sink.name for each in sinks) == 1
    return sink.name if alone else f"{sink.name} {sink.target}"
