"""The one file that knows every room: settings in, a running capture out."""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from spantap import ending, instrument, settings
from spantap.capture.limits import CaptureLimits
from spantap.export.files import why_not_writable
from spantap.export.jsonl import JSONLSink
from spantap.export.sink import Sink
from spantap.export.sqlite import SQLiteSink
from spantap.guard import logger
from spantap.model import ConfigurationError, Problem
from spantap.otel import exporters, otlp, standard
from spantap.otel.budget import Budget
from spantap.otel.clean_copy import SpanCleaner
from spantap.otel.exporter import SinkExporter
from spantap.otel.limits import WithinLimits
from spantap.otel.processor import CaptureProcessor, Route
from spantap.otel.queue import Delivery, DeliveryQueue, DeliveryStats
from spantap.otel.tap import Tap, TapOptions
from spantap.policy.pipeline import Pipeline, PipelineOptions
from spantap.policy.presets import PRESETS
from spantap.policy.redact import Redactor
from spantap.policy.select import Selection
from spantap.settings import Loaded, Settings

_EXIT_SECONDS: Final = 5.0
_OPEN_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Stats:
    """What spantap did in this process so far.

    Attributes:
        captured: exchanges kept.
        not_kept: reason -> exchanges not kept (``not_selected``, ``skipped``, ``unsampled``, ``failed``).
        destinations: name -> its own counts, spans that are not exchanges included.
        queued_bytes: estimated bytes waiting for delivery.
    """

    captured: int
    not_kept: Mapping[str, int]
    destinations: Mapping[str, DeliveryStats]
    queued_bytes: int


class Handle:
    """A running capture. Thread-safe.

    Attributes:
        settings: what it runs with.
        loaded: the same, with the source of each.
    """

    def __init__(self, loaded: Loaded, tap: Tap, budget: Budget) -> None:
        self.settings = loaded.settings
        self.loaded = loaded
        self._tap = tap
        self._budget = budget

    @property
    def tap(self) -> Tap:
        """What doors open sessions with; for writing a door of your own."""
        return self._tap

    def flush(self, timeout: float = 10.0) -> bool:
        """Send everything captured up to now.

        Args:
            timeout: seconds for all destinations together.

        Returns:
            Whether everything was sent, or counted as lost, within the time.
        """
        return self._tap.flush(timeout)

    def shutdown(self, timeout: float = 10.0) -> bool:
        """Send everything, then stop capturing for good; `configure` may be called anew.

        Args:
            timeout: seconds for all destinations together; what is left then is counted as lost.

        Returns:
            Whether nothing was lost to the timeout.
        """
        global _handle  # one capture per process
        with _lock:
            if _handle is self:
                _handle = None
        ending.forget(self.deliver)
        return self._tap.shutdown(timeout)

    def deliver(self) -> None:
        """The process is ending: send what is queued, 5 seconds at most, less if that failed just now."""
        if self._tap.bound:
            self._tap.wait_for_open(_OPEN_SECONDS)
            self._tap.processor.settle_open()
            self._tap.flush(1.0 if self._tap.gave_up_lately else _EXIT_SECONDS)

    def stats(self) -> Stats:
        """The counts as of now."""
        counts = dict(self._tap.counts)
        return Stats(
            captured=counts.pop("captured", 0),
            not_kept=counts,
            destinations={queue.name: queue.stats() for queue in self._tap.processor.queues},
            queued_bytes=self._budget.used,
        )


_lock = threading.RLock()
_handle: Handle | None = None


def configure(**keywords: Any) -> Handle:
    """Set up the capture for this process.

    Called again with the same settings it returns the same handle. Nothing is started before
    the first request: no thread, no file, no socket.

    Args:
        **keywords: any setting of `spantap.settings.Settings` in lower case; the environment
            (``OTEL_PYTHON_SPANTAP_<NAME>``), then the settings file in the working directory,
            fill in what is not given.

    Returns:
        The handle to flush, stop and look at it.

    Raises:
        ConfigurationError: listing every mistake in the settings, or because the process is
            configured differently already.
    """
    global _handle  # one capture per process
    wanted = settings.read(keywords, os.environ)
    with _lock:
        if _handle is None:
            _handle = _build(wanted)
            ending.at_end(_handle.deliver)
        elif _handle.settings != wanted.settings:
            raise ConfigurationError(_differences(_handle.settings, wanted.settings))
        return _handle


def instrument_app(app: Any, *, framework: str | None = None, **keywords: Any) -> Any:
    """Capture the exchanges of an app, from its next request on.

    Args:
        app: a FastAPI, Starlette or Flask object, one of Django's handlers, or any ASGI or WSGI
            callable; also when it has served requests already.
        framework: overrides detection: ``fastapi``, ``starlette``, ``flask``, ``django``,
            ``asgi`` or ``wsgi``.
        **keywords: settings, as for `configure`; may be left out when that was called.

    Returns:
        The same object, or the wrapped callable for a bare one. Twice is harmless.

    Raises:
        ConfigurationError: wrong settings, or an app nothing can be made of.
    """
    ensure_configured(keywords)
    return instrument.switch_on(app, framework, current_tap)


def uninstrument_app(app: Any) -> Any:
    """Stop capturing an app; requests in flight are finished.

    Returns:
        The same object, or the callable that was wrapped.
    """
    return instrument.switch_off(app)


def ensure_configured(keywords: Mapping[str, Any]) -> None:
    """Configure, unless it is done and nothing else is asked for."""
    if keywords or _handle is None:
        configure(**keywords)


def current_tap() -> Tap:
    """The tap in force; configures from the environment after a `shutdown`."""
    handle = _handle
    return (configure() if handle is None else handle).tap


def _build(loaded: Loaded) -> Handle:
    wanted = loaded.settings
    preset = PRESETS[wanted.preset]
    if wanted.debug:
        _log_everything()
    limit = wanted.body_limit
    limits = CaptureLimits(
        request_body=limit if wanted.request_bodies and preset.bodies else 0,
        response_body=limit if wanted.response_bodies and preset.bodies else 0,
    )
    redactor = Redactor(
        keys=wanted.redact_keys, keep_keys=wanted.keep_keys, headers=standard.header_names(standard.SANITIZE)
    )
    budget = Budget(wanted.queue_max_bytes)
    tap = Tap(
        selection=Selection(
            include=wanted.include_urls,
            exclude=wanted.exclude_urls,
            exclude_methods=wanted.exclude_methods,
        ),
        pipeline=Pipeline(
            redactor,
            PipelineOptions(
                limits=limits,
                headers=wanted.headers and preset.headers,
                request_headers=standard.header_names(standard.REQUEST_HEADERS),
                response_headers=standard.header_names(standard.RESPONSE_HEADERS),
                query=wanted.query and preset.query,
            ),
        ),
        processor=CaptureProcessor(SpanCleaner(redactor), _routes(loaded), budget, wanted.capture_unsampled),
        budget=budget,
        options=TapOptions(
            limits=limits,
            unsampled=wanted.capture_unsampled,
            live_bodies=wanted.live_bodies,
            tracer_provider=wanted.tracer_provider,
        ),
    )
    return Handle(loaded, tap, budget)


def _routes(loaded: Loaded) -> list[Route]:
    """One queue per destination; the same one twice (name and target) is one."""
    wanted = loaded.settings
    # Said by us, it counts more than the batch processor's OTEL_BSP_MAX_QUEUE_SIZE; the default does not.
    own_bound = wanted.queue_max_items if "queue_max_items" in loaded.sources else None
    batching = standard.batching(own_bound)
    listed = exporters.named()
    sinks: dict[tuple[str, str], Sink] = {}
    by_name = {
        name: exporters.sink_named(name, wanted.sqlite_path, wanted.jsonl_path) for name in listed or ()
    }
    for sink in (*wanted.destinations, *_by_path(wanted), *filter(None, by_name.values())):
        sinks.setdefault((sink.name, sink.target), sink)
    # Listed, it is wanted wherever it may be; not listed, only if an endpoint says where.
    otlp_wanted = otlp.endpoint() is not None if listed is None else not exporters.OTLP.isdisjoint(listed)
    others: dict[str, Callable[[], Delivery]] = {
        name: functools.partial(exporters.ForeignDelivery, name)
        for name, sink in by_name.items()
        if sink is None and name not in exporters.OTLP
    }
    if listed is None and not otlp_wanted and not sinks:
        default = _default_store()
        sinks[default.name, default.target] = default
    routes = []
    for sink in sinks.values():
        exporters.serve(sink)
        queue = DeliveryQueue(_named(sink, sinks), functools.partial(SinkExporter, sink), batching)
        routes.append(Route(queue, exchanges_only=True, sampled_only=False))
    if otlp_wanted:
        others["otlp"] = otlp.open_otlp
    for name, opened in others.items():
        queue = DeliveryQueue(name, functools.partial(WithinLimits, opened), batching)
        routes.append(Route(queue, exchanges_only=False, sampled_only=True))
    for route in routes:
        logger.debug("destination %s", route.queue.name)
    return routes


def _default_store() -> Sink:
    reason = why_not_writable(Path(exporters.DEFAULT_SQLITE))
    if reason is not None:
        setting = f"{settings.PREFIX}SQLITE_PATH"
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


def _named(sink: Sink, sinks: Mapping[tuple[str, str], Sink]) -> str:
    """Its name, with the target when two share it."""
    alone = sum(each.name == sink.name for each in sinks.values()) == 1
    return sink.name if alone else f"{sink.name} {sink.target}"


def _differences(running: Settings, wanted: Settings) -> list[Problem]:
    return [
        Problem(
            name,
            repr(getattr(wanted, name)),
            f"this process runs with {getattr(running, name)!r} already; "
            "give the same settings everywhere, or call shutdown() on the handle first",
        )
        for name in running.__dataclass_fields__
        if getattr(running, name) != getattr(wanted, name)
    ]


def _log_everything() -> None:
    logger.setLevel(logging.DEBUG)
    if not logging.getLogger().handlers and not logger.handlers:
        logger.addHandler(logging.StreamHandler())
