"""A span in place of one that is not recording, or that we cannot see."""

from __future__ import annotations

from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind
from opentelemetry.trace.status import Status, StatusCode

from spantap.model import Observation
from spantap.otel.tracing import SCHEMA_URL, SCOPE
from spantap.version import __version__

_SCOPE: Final = InstrumentationScope(SCOPE, __version__, SCHEMA_URL)


def stand_in(
    seen: Observation, context: SpanContext, parent: SpanContext | None, resource: Resource, method: str
) -> ReadableSpan:
    """The span of an exchange, ended, without attributes.

    Args:
        seen: times, status and route.
        context: its ids.
        parent: what it is beneath.
        resource: what describes the service.
        method: as it stands in span names.
    """
    failed = seen.error_type is not None or seen.error_status is not None
    return ReadableSpan(
        name=f"{method} {seen.route}" if seen.route else method,
        context=context,
        parent=parent if parent is not None and parent.is_valid else None,
        resource=resource,
        kind=SpanKind.SERVER if seen.direction == "inbound" else SpanKind.CLIENT,
        status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
        start_time=seen.start,
        end_time=seen.end,
        instrumentation_scope=_SCOPE,
    )
