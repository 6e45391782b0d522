"""OpenTelemetry as an app sets it up for itself, exporting every span as a JSON line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import format_span_id, format_trace_id


class LineExporter(SpanExporter):
    """Appends what it is given; opens the file for each span, so that nothing is lost at any exit."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._path.open("a") as lines:
            for span in spans:
                lines.write(json.dumps(_described(span)) + "\n")
        return SpanExportResult.SUCCESS


def own_provider(path: Path) -> TracerProvider:
    """A provider such as an app makes for itself."""
    provider = TracerProvider(resource=Resource.create({"service.name": "the app"}))
    provider.add_span_processor(SimpleSpanProcessor(LineExporter(path)))
    return provider


def _described(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None
    scope = span.instrumentation_scope
    return {
        "name": span.name,
        "kind": span.kind.name,
        "scope": scope.name if scope else "",
        "trace_id": format_trace_id(context.trace_id),
        "span_id": format_span_id(context.span_id),
        "parent": format_span_id(span.parent.span_id) if span.parent else None,
        "status": span.status.status_code.name,
        "attributes": _jsonable(span.attributes),
        "events": [{"name": event.name, "attributes": _jsonable(event.attributes)} for event in span.events],
    }


def _jsonable(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        name: value.decode("latin-1") if isinstance(value, bytes) else value
        for name, value in (attributes or {}).items()
    }
