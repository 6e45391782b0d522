"""Span exporters by name: what ``OTEL_TRACES_EXPORTER`` lists, ours and anybody's.

Ours are entry points too (``spantap_sqlite``, ``spantap_jsonl``, ``spantap_memory``), so that the
list works whichever distro reads it. Where our own queue writes to the same place already, they
stand aside: a destination given twice is one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.util._importlib_metadata import entry_points

from spantap.export.csv import CSVSink
from spantap.export.jsonl import JSONLSink
from spantap.export.memory import MemorySink
from spantap.export.outcome import RefusedError
from spantap.export.retention import SETTINGS, Retention, Rotation, terms
from spantap.export.sink import Sink
from spantap.export.sqlite import SQLiteSink
from spantap.model import ConfigurationError, Problem
from spantap.otel.exporter import SinkExporter
from spantap.policy import policies
from spantap.policy.destination import DestinationPolicy

VARIABLE: Final = "OTEL_TRACES_EXPORTER"
GROUP: Final = "opentelemetry_traces_exporter"
# What `otlp` and the names the SDK makes of it stand for; `otel.otlp` opens them.
OTLP: Final = frozenset({"otlp", "otlp_proto_http", "otlp_proto_grpc"})

_PREFIX: Final = "OTEL_PYTHON_SPANTAP_"
_POLICIES: Final = "OTEL_PYTHON_SPANTAP_POLICIES"
_SQLITE_PATH: Final = "OTEL_PYTHON_SPANTAP_SQLITE_PATH"
_JSONL_PATH: Final = "OTEL_PYTHON_SPANTAP_JSONL_PATH"
_CSV_PATH: Final = "OTEL_PYTHON_SPANTAP_CSV_PATH"
DEFAULT_SQLITE: Final = "spantap.db"
DEFAULT_JSONL: Final = "spantap.jsonl"
DEFAULT_CSV: Final = "spantap.csv"

_served: set[tuple[str, str]] = set()


def named(environ: Mapping[str, str] = os.environ) -> tuple[str, ...] | None:
    """The exporters the environment lists; None when it lists nothing, empty for ``none``."""
    text = environ.get(VARIABLE, "").strip()
    if not text:
        return None
    names = tuple(each.strip() for each in text.split(",") if each.strip())
    return tuple(each for each in names if each.lower() != "none")


def known() -> set[str]:
    """The names of all exporters installed."""
    return {"otlp", *(each.name for each in entry_points(group=GROUP))}


def sink_named(
    name: str,
    paths: Mapping[str, Path | None],
    retention: Retention,
    rotation: Rotation,
    csv_policy: DestinationPolicy | None = None,
) -> Sink | None:
    """A sink for one of our own names; None for others.

    Args:
        name: as ``OTEL_TRACES_EXPORTER`` lists it.
        paths: kind of store -> the setting; None is the default file.
        retention, rotation: on what terms it keeps exchanges.
        csv_policy: names the columns of a CSV file.
    """
    if name == "spantap_sqlite":
        return SQLiteSink(paths["sqlite"] or DEFAULT_SQLITE, retention=retention)
    if name == "spantap_jsonl":
        return JSONLSink(paths["jsonl"] or DEFAULT_JSONL, retention=retention, rotation=rotation)
    if name == "spantap_csv":
        path = paths["csv"] or DEFAULT_CSV
        return CSVSink(path, retention=retention, rotation=rotation, policy=csv_policy)
    if name == "spantap_memory":
        return MemorySink.of_process()
    return None


def serve(sink: Sink) -> None:
    """Our own queue writes there from now on."""
    _served.add((sink.name, sink.target))


class Named(SinkExporter):
    """An exporter somebody else's pipeline has made from its name."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the batch, unless our own queue writes there already."""
        if (self.sink.name, self.sink.target) in _served:
            return SpanExportResult.SUCCESS
        return super().export(spans)


def _terms() -> tuple[Retention, Rotation]:
    """On what terms stores keep exchanges, by the environment.

    Raises:
        ConfigurationError: the environment says something that cannot be read.
    """
    values: dict[str, Any] = {}
    problems = []
    for name, parse in SETTINGS.items():
        variable = f"{_PREFIX}{name.upper()}"
        text = os.environ.get(variable, "").strip()
        if text:
            try:
                values[name] = parse(text)
            except ValueError as error:
                problems.append(Problem(variable, repr(text), str(error)))
    try:
        made = terms(values)
    except ValueError as error:
        problems.append(Problem(f"{_PREFIX}ROTATE_...", "***", str(error)))
    if problems:
        raise ConfigurationError(problems)
    return made


def _policy(destination: str) -> DestinationPolicy | None:
    """The policy the environment has for a destination.

    Raises:
        ConfigurationError: it has policies that cannot work.
    """
    try:
        return policies.named(policies.parse(os.environ.get(_POLICIES, "")), destination)
    except policies.InvalidPoliciesError as error:
        raise ConfigurationError(
            [Problem(f"{_POLICIES}, {each.which}", each.text, each.remedy) for each in error.problems]
        ) from None


class SQLiteExporter(Named):
    """``OTEL_TRACES_EXPORTER=spantap_sqlite``: exchanges into a SQLite file."""

    def __init__(self, path: str | None = None) -> None:
        """Args:
        path: the file; ``OTEL_PYTHON_SPANTAP_SQLITE_PATH``, else ./spantap.db when None.
        """
        retention, _ = _terms()
        sink = SQLiteSink(path or os.environ.get(_SQLITE_PATH) or DEFAULT_SQLITE, retention=retention)
        super().__init__(sink, policy=_policy(sink.name))


class JSONLExporter(Named):
    """``OTEL_TRACES_EXPORTER=spantap_jsonl``: exchanges as JSON lines."""

    def __init__(self, path: str | None = None) -> None:
        """Args:
        path: the file; ``OTEL_PYTHON_SPANTAP_JSONL_PATH``, else ./spantap.jsonl when None.
        """
        retention, rotation = _terms()
        file = path or os.environ.get(_JSONL_PATH) or DEFAULT_JSONL
        sink = JSONLSink(file, retention=retention, rotation=rotation)
        super().__init__(sink, policy=_policy(sink.name))


class CSVExporter(Named):
    """``OTEL_TRACES_EXPORTER=spantap_csv``: exchanges as rows of a CSV file."""

    def __init__(self, path: str | None = None) -> None:
        """Args:
        path: the file; ``OTEL_PYTHON_SPANTAP_CSV_PATH``, else ./spantap.csv when None.
        """
        retention, rotation = _terms()
        file = path or os.environ.get(_CSV_PATH) or DEFAULT_CSV
        policy = _policy(CSVSink.name)
        super().__init__(CSVSink(file, retention=retention, rotation=rotation, policy=policy), policy=policy)


class MemoryExporter(Named):
    """``OTEL_TRACES_EXPORTER=spantap_memory``: exchanges for ``MemorySink.of_process()``, in this process."""

    def __init__(self) -> None:
        super().__init__(MemorySink.of_process(), policy=_policy(MemorySink.name))


class ForeignDelivery:
    """Somebody's exporter, driven by our worker: it gets clean copies."""

    def __init__(self, name: str) -> None:
        """Args:
        name: its entry point.

        Raises:
            LookupError: there is no exporter of that name.
        """
        found: Any = next(iter(entry_points(group=GROUP, name=name)), None)
        if found is None:
            raise LookupError(f"no exporter named {name!r} is installed")
        self._exporter: SpanExporter = found.load()()

    def deliver(self, spans: Sequence[ReadableSpan], /) -> Mapping[str, int]:
        """Export one batch; an exporter we do not know tries again by itself."""
        if self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return {}
        raise RefusedError("did not take a batch")

    def close(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def interrupt(self) -> None:
        """An exporter we do not know cannot be hurried."""
