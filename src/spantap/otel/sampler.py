"""``OTEL_TRACES_SAMPLER=spantap``: which traces are exported.

What is captured does not depend on it: an exchange of a trace that is not sampled still
reaches the local stores (``CAPTURE_UNSAMPLED``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

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
from opentelemetry.util._importlib_metadata import entry_points
from opentelemetry.util.types import Attributes

from spantap.guard import report

VARIABLE: Final = "OTEL_TRACES_SAMPLER"
ARGUMENT: Final = "OTEL_TRACES_SAMPLER_ARG"
# Those the SDK makes itself, and those of them that take a share.
STANDARD: Final = (
    *("always_on", "always_off", "traceidratio"),
    *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
)
WITH_A_SHARE: Final = ("traceidratio", "parentbased_traceidratio", "spantap")
_GROUP: Final = "opentelemetry_traces_sampler"


class GuardedSampler(Sampler):
    """A sampler whose failure does not fail the request: the SDK lets its exceptions reach the app.

    Attributes:
        inner: decides, as long as it does not raise; then the span is not sampled.
    """

    def __init__(self, inner: Sampler) -> None:
        self.inner = inner

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
            return self.inner.should_sample(
                parent_context, trace_id, name, kind, attributes, links, trace_state
            )
        except Exception as error:  # noqa: BLE001 - see the class
            report("sampling", error)
            return SamplingResult(Decision.DROP, attributes)

    def get_description(self) -> str:
        """The inner sampler's."""
        return f"Guarded({self.inner.get_description()})"


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
    if not is_share(argument):
        raise ValueError(f"{ARGUMENT} = {argument!r}: use a number from 0 to 1")
    return GuardedSampler(ParentBased(TraceIdRatioBased(float(argument))))


def known() -> set[str]:
    """The names of all samplers there are."""
    return {*STANDARD, *(each.name for each in entry_points(group=_GROUP))}


def is_share(text: str) -> bool:
    """Whether it is a number from 0 to 1."""
    try:
        return 0.0 <= float(text) <= 1.0
    except ValueError:
        return False


def installed(environ: Mapping[str, str] = os.environ) -> Sampler | None:
    """The sampler the environment names, if it is one by entry point; the SDK makes the standard ones.

    Only ``opentelemetry-instrument`` looks for these: a provider made in code does not.
    """
    name = environ.get(VARIABLE, "").strip()
    found: Any = None if name in STANDARD else next(iter(entry_points(group=_GROUP, name=name)), None)
    if found is None:
        return None
    try:
        factory: Callable[[str | None], Sampler] = found.load()
        return factory(environ.get(ARGUMENT))
    except Exception as error:  # noqa: BLE001 - somebody's sampler; the SDK falls back to its default, too
        report(f"making the sampler {name}", error)
        return None
