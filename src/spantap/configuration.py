"""The one file that knows every room: settings in, a running capture out."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import Any

from spantap import clients, destinations, ending, instrument, parts, reporting, settings
from spantap.export.sink import ProcessReport
from spantap.guard import logger
from spantap.hash_key import FetchedKey, hasher_of
from spantap.model import ConfigurationError, Problem
from spantap.otel import own_metrics
from spantap.otel.budget import Budget
from spantap.otel.client_tap import ClientTap
from spantap.otel.last_delivery import deliver
from spantap.otel.tap import Tap
from spantap.polled_rates import PolledSampler
from spantap.reporting import RatesStats, Stats
from spantap.settings import Loaded, Settings
from spantap.version import __version__


class Handle:
    """A running capture. Thread-safe.

    Attributes:
        settings: what it runs with.
        loaded: the same, with the source of each.
        tap: what doors open sessions with; for writing a door of your own.
        client_tap: the same for requests that are sent.
    """

    def __init__(
        self,
        loaded: Loaded,
        tap: Tap,
        client_tap: ClientTap,
        budget: Budget,
        fetched: FetchedKey | None = None,
    ) -> None:
        self.settings = loaded.settings
        self.loaded = loaded
        self.tap = tap
        self.client_tap = client_tap
        self._budget = budget
        self._fetched = fetched
        if own_metrics.wanted():
            own_metrics.observe(own_metrics.Source(lambda: tap.counts, lambda: tap.processor.queues, budget))

    def flush(self, timeout: float = 10.0) -> bool:
        """Send everything captured up to now.

        Args:
            timeout: seconds for all destinations together.

        Returns:
            Whether everything was sent, or counted as lost, within the time.
        """
        return self.tap.flush(timeout)

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
        own_metrics.forget()
        if self._fetched is not None:
            self._fetched.stop()
        if isinstance(self.tap.sampler, PolledSampler):
            self.tap.sampler.stop()
        return self.tap.shutdown(timeout)

    def deliver(self) -> None:
        """The process is ending: send what is queued, 5 seconds at most, less if that failed just now."""
        if self.tap.bound and not deliver(self.tap):
            for queue in self.tap.processor.queues:
                queue.tell_what_waits()

    def report(self) -> ProcessReport:
        """What this process says of itself in its store, for `spantap doctor`."""
        return reporting.about_process(self.loaded, self.stats(), self.tap.tracing)

    def stats(self) -> Stats:
        """The counts as of now."""
        counts = dict(self.tap.counts)
        return Stats(
            captured=counts.pop("captured", 0),
            not_kept=counts,
            destinations={queue.name: queue.stats() for queue in self.tap.processor.queues},
            queued_bytes=self._budget.used,
            hooks=dict(self.tap.hooks.stats),
            rates=_rates(self.tap.sampler),
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


def instrument_clients(*names: str, **keywords: Any) -> None:
    """Capture the exchanges an app has with other servers, from its next request on.

    Clients that are not imported yet are captured when they are. Twice is harmless.

    Args:
        *names: some of ``requests``, ``urllib3``, ``httpx``, ``aiohttp``, ``urllib``; all when none is given.
        **keywords: settings, as for `configure`; may be left out when that was called.

    Raises:
        ConfigurationError: wrong settings, or no such client.
    """
    wanted = clients.checked(names)
    ensure_configured(keywords)
    clients.switch_on(wanted, current_client_tap)


def uninstrument_clients(*names: str) -> None:
    """Stop capturing what clients send, and put their functions back; all clients when none is named.

    Raises:
        ConfigurationError: no such client.
    """
    clients.switch_off(names)


def current_client_tap() -> ClientTap:
    """The client tap in force; configures from the environment after a `shutdown`."""
    handle = _handle
    return (configure() if handle is None else handle).client_tap


def ensure_configured(keywords: Mapping[str, Any]) -> Handle:
    """Configure, unless it is done and nothing else is asked for."""
    handle = _handle
    return configure(**keywords) if keywords or handle is None else handle


def current_tap() -> Tap:
    """The tap in force; configures from the environment after a `shutdown`."""
    handle = _handle
    return (configure() if handle is None else handle).tap


def _build(loaded: Loaded) -> Handle:
    def report() -> ProcessReport:  # first asked for when a batch is done
        return handle.report()

    wanted = loaded.settings
    if wanted.debug:
        _log_everything()
    given = ", ".join(f"{name} by {source}" for name, source in loaded.sources.items())
    logger.debug("spantap %s, set: %s", __version__, given or "nothing")
    hasher, fetched = hasher_of(wanted)
    redactor = parts.redactor_of(wanted, hasher)
    budget = Budget(wanted.queue_max_bytes)
    tap = parts.tap_of(wanted, redactor, destinations.routes(loaded, report, budget), budget)
    handle = Handle(loaded, tap, parts.client_tap_of(wanted, tap, redactor), budget, fetched)
    return handle


def _rates(sampler: object) -> RatesStats | None:
    if not isinstance(sampler, PolledSampler):
        return None
    return RatesStats(sampler.shown, sampler.taken, sampler.failing)


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
        handler = logging.StreamHandler()
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(name)s[%(process)d] %(levelname)s: %(message)s")
        )
        logger.addHandler(handler)
