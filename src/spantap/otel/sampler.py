"""``OTEL_TRACES_SAMPLER=spantap``: which traces are exported.

What is captured does not depend on it: an exchange of a trace that is not sampled still
reaches the local stores (``CAPTURE_UNSAMPLED``).
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from spantap.guard import report


class GuardedSampler(Sampler):
    """A sampler whose failure does not fail the request: the SDK lets its exceptions reach the app."""

    def __init__(self, inner: Sampler) -> None:
        """Args:
        inner: decides, as long as it does not raise; then the span is not sampled.
        """
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The inner sampler's decision."""
        try:
            return self._inner.should_sample(
                parent_context, trace_id, name, kind, attributes, links, trace_state
            )
        except Exception as error:  # noqa: BLE001 - see the class
            report("sampling", error)
            return SamplingResult(Decision.DROP, attributes)

    def get_description(self) -> str:
        """The inner sampler's."""
        return f"Guarded({self._inner.get_description()})"


def make_sampler(argument: str | None = None) -> Sampler:
    """The sampler for ``OTEL_TRACES_SAMPLER_ARG``.

    Args:
        argument: the share of traces without a sampled parent that is sampled, from 0 to 1;
            all of them when it is not given. A sampled or unsampled parent decides for its own.

    Raises:
        ValueError: it is no such number.
    """
    if not argument:
        return GuardedSampler(ParentBased(ALWAYS_ON))
    try:
        share = float(argument)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"OTEL_TRACES_SAMPLER_ARG = {argument!r}: use a number from 0 to 1")
    return GuardedSampler(ParentBased(TraceIdRatioBased(share)))
