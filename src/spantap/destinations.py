"""Where exchanges go: the destinations that settings and environment name, and a queue for each."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from spantap import settings_policies
from spantap.export.address import Address
from spantap.export.csv import CSVSink
from spantap.export.files import why_not_writable
from spantap.export.http import HTTPSink
from spantap.export.jsonl import JSONLSink
from spantap.export.lines import LinesSink
from spantap.export.memory import MemorySink
from spantap.export.redis import RedisSink
from spantap.export.retention import SETTINGS
from spantap.export.sink import ProcessReport, Remote, Sink, policy_of
from spantap.export.sql_url import DatabaseURL
from spantap.export.sqlite import SQLiteSink
from spantap.export.store import Store
from spantap.export.websocket import WebSocketSink
from spantap.guard import logger
from spantap.model import ConfigurationError, Problem
from spantap.otel import exporters, otlp, standard
from spantap.otel.budget import Budget
from spantap.otel.exporter import SinkExporter
from spantap.otel.limits import WithinLimits
from spantap.otel.processor import Route
from spantap.otel.queue import Batching, DeliveryQueue
from spantap.otel.retry import Delivery
from spantap.otel.spooling import Spooling
from spantap.otel.under_policy import UnderPolicy
from spantap.otel.waiting import MakeWaiting, in_memory
from spantap.policy import policies
from spantap.policy.presets import PRESETS
from spantap.settings import PREFIX, Loaded, Settings, load

# The destinations of ours, switched on or not.
_SINKS: Final = (SQLiteSink, JSONLSink, CSVSink, MemorySink, HTTPSink, WebSocketSink, RedisSink)
_OURS: Final = frozenset({"otlp", "sql", *(each.name for each in _SINKS)})
# Exporters of ours that need to be told where to send -> the setting that says so.
_REMOTE: Final = {
    "spantap_sql": "SQL_URL",
    "spantap_http": "HTTP_ENDPOINT",
    "spantap_websocket": "WEBSOCKET_ENDPOINT",
    "spantap_redis": "REDIS_URL",
}


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
    remote = {f"spantap_{sink.name}": sink for sink in _remote(wanted)}
    _has_addresses(listed or (), remote)
    paths = {"sqlite": wanted.sqlite_path, "jsonl": wanted.jsonl_path, "csv": wanted.csv_path}
    csv_policy = policies.named(wanted.policies, CSVSink.name)  # which names the columns
    by_name = {
        name: remote.get(name) or exporters.sink_named(name, paths, *wanted.terms, csv_policy)
        for name in listed or ()
    }
    named = filter(None, by_name.values())
    for sink in (*wanted.destinations, *_by_path(wanted), *remote.values(), *named):
        sinks.setdefault((sink.name, sink.target), sink)
    # Listed, it is wanted wherever it may be; not listed, only if an endpoint says where.
    otlp_wanted = otlp.endpoint() is not None if listed is None else not exporters.OTLP.isdisjoint(listed)
    if listed is None and not otlp_wanted and not sinks:
        default = _default_store(wanted)
        sinks[default.name, default.target] = default
    _has_stores(wanted, [each for each in sinks.values() if each not in wanted.destinations])
    others = [name for name, sink in by_name.items() if sink is None and name not in exporters.OTLP]
    return Chosen(tuple(sinks.values()), otlp_wanted, tuple(others))


def routes(loaded: Loaded, report: Callable[[], ProcessReport], budget: Budget) -> list[Route]:
    """One queue per destination; nothing is opened.

    Args:
        loaded: the settings.
        report: makes the report on this process, for the stores that keep it.
        budget: the memory the queues share.

    Raises:
        ConfigurationError: as `chosen`; or there is a spool and nothing it could keep for.
    """
    wanted = loaded.settings
    # Said by us, it counts more than the batch processor's OTEL_BSP_MAX_QUEUE_SIZE; the default does not.
    own_bound = wanted.queue_max_items if "queue_max_items" in loaded.sources else None
    batching = standard.batching(own_bound)
    where = chosen(wanted)
    _check(wanted, where)
    made = []
    kept_for = _spool(wanted, where, budget)
    for sink in where.sinks:
        exporters.serve(sink)
        policy = policy_of(sink) or policies.named(wanted.policies, sink.name)
        opened = functools.partial(SinkExporter, sink, report, policy)
        waiting = kept_for(sink.name, sink.target) if _is_remote(sink) else in_memory
        queue = DeliveryQueue(_named(sink, where.sinks), opened, _own_batching(sink, batching), waiting)
        made.append(Route(queue, exchanges_only=True, sampled_only=False, policy=policy))
    openers: dict[str, Callable[[], Delivery]] = {
        name: functools.partial(exporters.ForeignDelivery, name) for name in where.others
    }
    if where.otlp:
        otlp.prepare()
        openers["otlp"] = otlp.open_otlp
    for name, opener in openers.items():
        policy = policies.named(wanted.policies, name)
        limited: Callable[[], Delivery] = functools.partial(WithinLimits, opener)
        governed = limited if policy is None else functools.partial(UnderPolicy, limited, policy)
        waiting = kept_for(name, otlp.place()) if name == "otlp" else in_memory
        queue = DeliveryQueue(name, governed, batching, waiting)
        made.append(Route(queue, exchanges_only=False, sampled_only=True, policy=policy))
    for route in made:
        logger.debug("destination %s", route.queue.name)
    return made


def _spool(wanted: Settings, where: Chosen, budget: Budget) -> Callable[[str, str], MakeWaiting]:
    """What keeps, by name and target of a remote destination, what waits for it."""
    if wanted.spool_dir is None:
        return lambda name, target: in_memory
    if not (where.otlp or any(map(_is_remote, where.sinks))):
        remedy = "has no effect: nothing goes to a remote destination (OTLP, HTTP, WebSocket, Redis)"
        raise ConfigurationError([Problem(f"{PREFIX}SPOOL_DIR", repr(str(wanted.spool_dir)), remedy)])
    spooling = Spooling(wanted.spool_dir, wanted.spool_max_bytes, wanted.spool_max_age)
    return lambda name, target: spooling.of(name, target, budget)


def _is_remote(sink: Sink) -> bool:
    return isinstance(sink, Remote) and sink.remote


def _has_stores(wanted: Settings, sinks: Sequence[Sink]) -> None:
    """What is said of stores is for those that are set up by settings; objects bring their own terms."""
    there = {
        "store": any(isinstance(each, Store) for each in sinks),
        "rotate": any(isinstance(each, LinesSink) for each in sinks),
    }
    problems = [
        Problem(f"{PREFIX}{name.upper()}", str(value), "has no effect: no store it holds for is set")
        for name in SETTINGS
        if (value := getattr(wanted, name)) is not None and not there[name.partition("_")[0]]
    ]
    if problems:
        raise ConfigurationError(problems)


def _check(wanted: Settings, where: Chosen) -> None:
    """Policies have to be of destinations there are, or could be, and able to match."""
    there_are = {*_OURS, *(sink.name for sink in where.sinks), *where.others}
    named = standard.header_names(standard.REQUEST_HEADERS) + standard.header_names(standard.RESPONSE_HEADERS)
    headers = bool(named) or (wanted.headers and PRESETS[wanted.preset].headers)
    problems = [
        *settings_policies.for_nobody(wanted.policies, there_are),
        *settings_policies.twice(wanted.destinations),
        *(() if headers else settings_policies.without_headers(wanted.policies, wanted.destinations)),
        *_undated(wanted, where.sinks),
    ]
    if problems:
        raise ConfigurationError(problems)


def _undated(wanted: Settings, sinks: Iterable[Sink]) -> Iterator[Problem]:
    """A store can only let go of the oldest if it is told when they were."""
    for sink in sinks:
        policy = policy_of(sink) or policies.named(wanted.policies, sink.name)
        dated = policy is None or policy.kept is None or "date" in policy.kept
        if isinstance(sink, Store) and sink.retention and not dated:
            yield Problem(
                f"policies, {sink.name}", "fields", "the store has a retention: name the field date, too"
            )


def _default_store(wanted: Settings) -> Sink:
    reason = why_not_writable(Path(exporters.DEFAULT_SQLITE))
    if reason is not None:
        setting = f"{PREFIX}SQLITE_PATH"
        raise ConfigurationError(
            [Problem(setting, f"./{exporters.DEFAULT_SQLITE} (default)", f"{reason}; set another path")]
        )
    return SQLiteSink(exporters.DEFAULT_SQLITE, retention=wanted.terms[0])


def _by_path(wanted: Settings) -> list[Sink]:
    sinks: list[Sink] = []
    retention, rotation = wanted.terms
    if wanted.sqlite_path is not None:
        sinks.append(SQLiteSink(wanted.sqlite_path, retention=retention))
    if wanted.jsonl_path is not None:
        sinks.append(JSONLSink(wanted.jsonl_path, retention=retention, rotation=rotation))
    if wanted.csv_path is not None:
        policy = policies.named(wanted.policies, CSVSink.name)  # it names the columns
        sinks.append(CSVSink(wanted.csv_path, retention=retention, rotation=rotation, policy=policy))
    return sinks


def _remote(wanted: Settings) -> list[Sink]:
    sinks: list[Sink] = []
    if wanted.sql_url is not None:
        sinks.append(_sql(wanted, wanted.sql_url))
    if wanted.http_endpoint is not None:
        sinks.append(_http(wanted, wanted.http_endpoint))
    if wanted.websocket_endpoint is not None:
        sinks.append(_websocket(wanted, wanted.websocket_endpoint))
    if wanted.redis_url is not None:
        sinks.append(_redis(wanted, wanted.redis_url))
    return sinks


def _redis(wanted: Settings, address: Address) -> RedisSink:
    return RedisSink(address, stream=wanted.redis_stream, maxlen=wanted.redis_maxlen)


def _sql(wanted: Settings, url: DatabaseURL) -> Sink:
    from spantap.export.sql import SQLSink  # needs a library

    return SQLSink(url, retention=wanted.terms[0])


def _websocket(wanted: Settings, address: Address) -> WebSocketSink:
    return WebSocketSink(
        address,
        token=None if wanted.websocket_token is None else wanted.websocket_token.value,
        token_in=wanted.websocket_token_in,
        acks=wanted.websocket_acks,
        in_flight=wanted.websocket_in_flight,
        timeout=wanted.websocket_timeout,
        certificate=wanted.websocket_certificate,
        client_id=wanted.client_id,
    )


def _http(wanted: Settings, address: Address) -> HTTPSink:
    return HTTPSink(
        address,
        format=wanted.http_format,
        headers=None if wanted.http_headers is None else dict(wanted.http_headers.value),
        token=None if wanted.http_token is None else wanted.http_token.value,
        compression=wanted.http_compression,
        timeout=wanted.http_timeout,
        certificate=wanted.http_certificate,
        client_certificate=wanted.http_client_certificate,
        client_key=wanted.http_client_key,
        client_id=wanted.client_id,
        batch_size=wanted.http_batch_size,
        flush_interval=wanted.http_flush_interval,
    )


def _has_addresses(listed: Iterable[str], there: Container[str]) -> None:
    """A remote destination that is listed needs to be told where it is."""
    missing = [name for name in listed if name in _REMOTE and name not in there]
    if missing:
        raise ConfigurationError(
            [
                Problem(exporters.VARIABLE, repr(name), f"it needs an address: set {PREFIX}{_REMOTE[name]}")
                for name in missing
            ]
        )


def _own_batching(sink: Sink, batching: Batching) -> Batching:
    """As all, unless the sink says otherwise."""
    size = getattr(sink, "batch_size", None)
    interval = getattr(sink, "flush_interval", None)
    return replace(
        batching,
        max_items=batching.max_items if size is None else min(size, batching.max_queued),
        delay=batching.delay if interval is None else interval,
    )


class SQLExporter(exporters.Named):
    """``OTEL_TRACES_EXPORTER=spantap_sql`` in somebody else's pipeline; see `HTTPExporter`."""

    def __init__(self) -> None:
        """Raises:
        ConfigurationError: the settings are wrong, or name no ``SQL_URL``.
        """
        wanted = load({}, os.environ, hooks=False)
        if wanted.sql_url is None:
            _has_addresses(["spantap_sql"], [])
        else:
            super().__init__(_sql(wanted, wanted.sql_url), policy=policies.named(wanted.policies, "sql"))


class HTTPExporter(exporters.Named):
    """``OTEL_TRACES_EXPORTER=spantap_http`` in somebody else's pipeline: exchanges to an HTTP collector.

    That pipeline tries once and counts nothing; our own queue, under our distro or `configure`,
    tries again.
    """

    def __init__(self) -> None:
        """Raises:
        ConfigurationError: the settings are wrong, or name no ``HTTP_ENDPOINT``.
        """
        wanted = load({}, os.environ, hooks=False)
        if wanted.http_endpoint is None:
            _has_addresses(["spantap_http"], [])
        else:
            super().__init__(
                _http(wanted, wanted.http_endpoint), policy=policies.named(wanted.policies, HTTPSink.name)
            )


class WebSocketExporter(exporters.Named):
    """``OTEL_TRACES_EXPORTER=spantap_websocket`` in somebody else's pipeline; see `HTTPExporter`."""

    def __init__(self) -> None:
        """Raises:
        ConfigurationError: the settings are wrong, or name no ``WEBSOCKET_ENDPOINT``.
        """
        wanted = load({}, os.environ, hooks=False)
        if wanted.websocket_endpoint is None:
            _has_addresses(["spantap_websocket"], [])
        else:
            super().__init__(
                _websocket(wanted, wanted.websocket_endpoint),
                policy=policies.named(wanted.policies, WebSocketSink.name),
            )


class RedisExporter(exporters.Named):
    """``OTEL_TRACES_EXPORTER=spantap_redis`` in somebody else's pipeline; see `HTTPExporter`."""

    def __init__(self) -> None:
        """Raises:
        ConfigurationError: the settings are wrong, or name no ``REDIS_URL``.
        """
        wanted = load({}, os.environ, hooks=False)
        if wanted.redis_url is None:
            _has_addresses(["spantap_redis"], [])
        else:
            super().__init__(
                _redis(wanted, wanted.redis_url), policy=policies.named(wanted.policies, RedisSink.name)
            )


def _named(sink: Sink, sinks: Sequence[Sink]) -> str:
    """Its name, with the target when two share it."""
    alone = sum(each.name == sink.name for each in sinks) == 1
    return sink.name if alone else f"{sink.name} {sink.target}"
