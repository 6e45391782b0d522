"""What `spantap doctor` finds out."""

from __future__ import annotations

import logging
import os
import platform
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from spantap import destinations, settings
from spantap.cli.installed import Winners, frameworks_and_servers, winners
from spantap.cli.units import size
from spantap.export.lines import LinesSink
from spantap.export.sink import Probing, ProcessReport, Sink
from spantap.export.sqlite import SQLiteSink
from spantap.otel import exporters, otlp, standard
from spantap.policy.presets import PRESETS
from spantap.policy.redact import Redactor, detectors, families
from spantap.policy.redact.tally import Tally
from spantap.polled_rates import PolledSampler, sampler_of
from spantap.reporting import HARMLESS, REMEDIES, shown
from spantap.settings import Settings
from spantap.settings_page import STANDARD
from spantap.version import __version__

_PATIENCE: Final = 2.0  # seconds a collector has to answer
_RATES_REMEDY: Final = (
    "see that it can be reached and answers as docs/sampling.md says; meanwhile the last ones hold"
)
_UNSAMPLED: Final = {
    "own": "kept in stores, not sent to collectors",
    "all": "kept in stores and sent to collectors",
    "none": "not kept",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting or variable in force: its name, its value as text, and who set it."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Destination:
    """One place exchanges go to.

    Attributes:
        name, target: what and where.
        answers: whether it does; None when it was not asked.
        says: in words.
    """

    name: str
    target: str
    answers: bool | None
    says: str


@dataclass(frozen=True, slots=True)
class Process:
    """What a process wrote of itself into the store.

    Attributes:
        host, pid: which.
        running: whether it still does; None on another host.
        silent_for: seconds since it wrote that; it does so when there is news.
        facts: see `spantap.reporting`.
    """

    host: str
    pid: int
    running: bool | None
    silent_for: float
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, and what to do."""

    what: str
    remedy: str


@dataclass(slots=True)
class Findings:
    """Everything; JSON types all the way down."""

    spantap: str
    python: str
    directory: str
    settings: list[Setting]
    standard: list[Setting]
    zero_code: Winners
    captured: dict[str, str]
    masked: dict[str, str]
    installed: dict[str, str]
    destinations: list[Destination]
    store: str
    processes: list[Process]
    problems: list[Problem] = field(default_factory=list)


def examine(environ: Mapping[str, str], store: Path | None = None) -> Findings:
    """Look at everything. Nothing is written; a collector is sent an empty batch.

    Args:
        environ: the environment.
        store: whose processes to look at; None is the store in force.

    Raises:
        ConfigurationError: listing every mistake in the settings.
    """
    loaded = settings.read({}, environ)
    chosen = destinations.chosen(loaded.settings)
    of_store = _asked(chosen.sinks, store)
    found = Findings(
        spantap=__version__,
        python=platform.python_version(),
        directory=str(Path.cwd()),
        settings=[Setting(each.name, shown(each), each.source) for each in loaded.rows()],
        standard=list(_standard(environ)),
        zero_code=winners(environ),
        captured=_captured(loaded.settings),
        masked=_masked(loaded.settings),
        installed=frameworks_and_servers(),
        destinations=[*map(_asked_sink, chosen.sinks), *_asked_others(chosen.otlp, chosen.others)],
        store=str(of_store.path),
        processes=[],
    )
    try:
        found.processes = [_process(each) for each in of_store.processes()]
    except FileNotFoundError:
        if store is not None:
            found.problems.append(Problem(f"{store}: no such store", "name a file that spantap writes"))
    except (sqlite3.Error, ValueError) as error:
        remedy = "name a SQLite file that spantap writes"
        found.problems.append(Problem(f"{of_store.path} cannot be read: {error}", remedy))
    found.problems += [
        *_problems_here(found),
        *_problems_of_rates(loaded.settings),
        *_problems_of_processes(found.processes),
    ]
    return found


def _asked(sinks: tuple[Sink, ...], store: Path | None) -> SQLiteSink:
    if store is not None:
        return SQLiteSink(store)
    named = (each for each in sinks if isinstance(each, SQLiteSink))
    return next(named, None) or SQLiteSink(exporters.DEFAULT_SQLITE)


def _standard(environ: Mapping[str, str]) -> Iterator[Setting]:
    redactor = Redactor()
    for name in (each for names, _ in STANDARD for each in names):
        value = environ.get(name, "").strip()
        if not value:
            continue
        if name.endswith("OTLP_HEADERS"):
            value = ", ".join(f"{each.partition('=')[0].strip()}=..." for each in value.split(","))
        elif name.endswith("ENDPOINT"):
            value = redactor.url(value, Tally())
        else:
            value = redactor.text(value, Tally())
        yield Setting(name, value, "environment")


def _captured(wanted: Settings) -> dict[str, str]:
    preset = PRESETS[wanted.preset]

    def half(bodies: bool, *, query: bool) -> str:
        parts = ["headers"] * (wanted.headers and preset.headers)
        parts += ["query"] * (query and wanted.query and preset.query)
        if bodies and preset.bodies and wanted.body_limit:
            parts.append(f"bodies up to {wanted.body_limit} bytes")
        return ", ".join(["start line", *parts])

    rows = {
        "requests": half(wanted.request_bodies, query=True),
        "responses": half(wanted.response_bodies, query=False),
        "only paths": ", ".join(wanted.include_urls),
        "never paths": ", ".join(wanted.exclude_urls),
        "only": ", ".join(wanted.include),
        "never": ", ".join(wanted.exclude),
        "never methods": ", ".join(wanted.exclude_methods),
        "unsampled": _UNSAMPLED[wanted.capture_unsampled],
        "sampling": _sampling(wanted),
    }
    return {name: text for name, text in rows.items() if text}


def _sampling(wanted: Settings) -> str:
    """The rates, the most general first; empty when everything is kept."""
    url = wanted.capture_rates_url
    if sampler_of(wanted) is None:
        return ""
    kept = (
        f"{wanted.capture_sample_rate:g} of them, {', '.join(wanted.capture_always_on) or 'nothing'} always"
    )
    more = "; ".join([kept, *map(str, wanted.capture_rates)])
    return more if url is None else f"{more}; until there are others from {url}"


def _masked(wanted: Settings) -> dict[str, str]:
    rows = {
        "names": f"{len(families.ANYWHERE) + len(families.WORDS) + len(families.LAST)} families",
        "your names": ", ".join(wanted.redact_keys),
        "never masked": ", ".join(wanted.keep_keys),
        "your headers": ", ".join(standard.header_names(standard.SANITIZE)),
        "values": ", ".join(sorted(detectors.RULES)),
    }
    return {name: text for name, text in rows.items() if text}


def _asked_sink(sink: Sink) -> Destination:
    if isinstance(sink, Probing):
        wrong = sink.probe(_PATIENCE)
        return Destination(sink.name, sink.target, wrong is None, wrong or "answers")
    if not isinstance(sink, SQLiteSink | LinesSink):
        return Destination(sink.name, sink.target, None, "not asked")
    try:
        if not sink.path.exists():
            return Destination(sink.name, sink.target, True, "not there yet; can be written")
        says = size(sink.path.stat().st_size) or "empty"
        if isinstance(sink, SQLiteSink):
            says = f"{sink.count()} exchanges, {says}"
        if not os.access(sink.path, os.W_OK):
            return Destination(sink.name, sink.target, False, "cannot be written")
    except sqlite3.Error as error:
        return Destination(sink.name, sink.target, False, str(error))
    except OSError as error:
        return Destination(sink.name, sink.target, False, str(error.strerror))
    return Destination(sink.name, sink.target, True, says)


def _asked_others(with_otlp: bool, others: tuple[str, ...]) -> Iterator[Destination]:
    if with_otlp:
        target = Redactor().url(otlp.target(), Tally())
        wrong = _wrong_with_collector()
        yield Destination(f"otlp ({otlp.protocol()})", target, wrong is None, wrong or "answers")
    for name in others:
        yield Destination(name, f"entry point {name}", None, "not asked")


def _wrong_with_collector() -> str | None:
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # the exporter would tell it in its own words too
    try:
        collector = otlp.open_otlp()
        try:
            return collector.probe(_PATIENCE)
        finally:
            collector.close()
    except Exception as error:  # noqa: BLE001 - certificates, URLs: whatever it is, it is the finding
        return f"cannot be reached: {type(error).__name__}"
    finally:
        logging.disable(disabled)


def _process(about: ProcessReport) -> Process:
    silent_for = max(0.0, time.time() - about.updated / 1e9)
    return Process(about.host, about.pid, _running(about), round(silent_for, 1), about.facts)


def _running(about: ProcessReport) -> bool | None:
    if about.host != socket.gethostname():
        return None
    try:
        os.kill(about.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _problems_here(found: Findings) -> Iterator[Problem]:
    for place in found.destinations:
        if place.answers is False:
            remedy = "see that it runs and can be reached from here"
            if place.name.startswith("otlp"):
                remedy += "; OTEL_EXPORTER_OTLP_ENDPOINT says where it is"
            yield Problem(f"{place.name} {place.target}: {place.says}", remedy)
    for what, remedy in found.zero_code.wrong:
        yield Problem(what, remedy)


def _problems_of_rates(wanted: Settings) -> Iterator[Problem]:
    sampler = sampler_of(wanted)
    if isinstance(sampler, PolledSampler) and (wrong := sampler.look()) is not None:
        yield Problem(f"rates from {sampler.shown}: {wrong}", _RATES_REMEDY)


def _problems_of_processes(processes: list[Process]) -> Iterator[Problem]:
    for process in processes:
        if process.running is False:
            continue  # past; the list shows it
        for name, each in process.facts["destinations"].items():
            waiting = each["queued"] + each.get("spooled", 0) + each.get("adopted", {}).get("spooled", 0)
            if each.get("failing") and waiting:
                what = f"process {process.pid}, {name}: takes nothing ({each['failing']}), {waiting} wait"
                yield Problem(
                    what, "see that it runs and can be reached from that process; meanwhile they wait"
                )
            if each.get("spool_failing"):
                what = f"process {process.pid}, {name}: the spool takes nothing ({each['spool_failing']})"
                yield Problem(what, "see SPOOL_DIR; meanwhile what waits is in memory alone")
        rates = process.facts.get("rates") or {}
        if rates.get("failing"):
            yield Problem(
                f"process {process.pid}, rates from {rates['url']}: {rates['failing']}", _RATES_REMEDY
            )
        lost = {"": {"failed": process.facts["not_kept"].get("failed", 0)}}
        lost |= {name: each["dropped"] for name, each in process.facts["destinations"].items()}
        lost |= {
            f"{name}, of earlier processes": each["adopted"]["dropped"]
            for name, each in process.facts["destinations"].items()
            if "adopted" in each
        }
        for name, reasons in lost.items():
            for reason, count in reasons.items():
                if count and reason not in HARMLESS:
                    where = f"{name}: " if name else ""
                    what = f"process {process.pid}, {where}{count} lost: {reason}"
                    yield Problem(what, REMEDIES.get(reason, "see the log of the process"))
