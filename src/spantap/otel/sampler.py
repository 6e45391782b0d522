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
from opentelemetry.semconv.attributes.http_attributes import HTTP_REQUEST_METHOD
from opentelemetry.semconv.attributes.url_attributes import URL_PATH
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util._importlib_metadata import entry_points
from opentelemetry.util.types import Attributes

from spantap.guard import report
from spantap.model import Observation
from spantap.otel.start import StartAttributes
from spantap.policy.trace_rates import TokenBucket, TraceRates, parse_trace_rates

VARIABLE: Final = "OTEL_TRACES_SAMPLER"
ARGUMENT: Final = "OTEL_TRACES_SAMPLER_ARG"
OURS: Final = "spantap"
# Those the SDK makes itself, and those of them that take a share.
STANDARD: Final = (
    *("always_on", "always_off", "traceidratio"),
    *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
)
WITH_A_SHARE: Final = ("traceidratio", "parentbased_traceidratio")
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


class RootSampler(Sampler):
    """Decides about a trace that begins, by the method and path of its first request. Thread-safe.

    Within a rate it decides as the SDK's `TraceIdRatioBased`, so that services agree.
    """

    def __init__(self, wanted: TraceRates) -> None:
        self._rates = wanted.compiled()
        self._bucket = None if wanted.limit is None else TokenBucket(wanted.limit)
        self._words = wanted.words

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
        """By rate, then, of what is within it, as long as the limit lets it."""
        bound = TraceIdRatioBased.get_bound_for_rate(self._rates.of(_beginning(attributes)))
        sampled = trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < bound
        if not sampled or (self._bucket is not None and not self._bucket.take()):
            return SamplingResult(Decision.DROP)
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self) -> str:
        """What it was asked for."""
        return f"Rates({', '.join(self._words)})"


def _beginning(attributes: Attributes) -> Observation:
    """Method and path of a span that begins; those of a span that is no request match no rule."""
    if isinstance(attributes, StartAttributes):
        return attributes.seen
    known = attributes or {}
    path = known.get(URL_PATH) or str(known.get("http.target") or "").partition("?")[0]
    method = known.get(HTTP_REQUEST_METHOD) or known.get("http.method") or ""
    return Observation(method=str(method), scheme="", path=str(path), query="", start=0)


def make_sampler(argument: str | Sequence[str] | None = None) -> GuardedSampler:
    """The sampler for ``OTEL_TRACES_SAMPLER_ARG``.

    Args:
        argument: which of the traces without a parent are sampled (`parse_trace_rates`); all of them
            when it is not given. A sampled or unsampled parent decides for its own.

    Raises:
        ValueError: it cannot be that.
    """
    if not argument:
        return GuardedSampler(ParentBased(ALWAYS_ON))
    wanted = parse_trace_rates(argument)
    if not wanted.rules and wanted.limit is None:  # the SDK's own needs to know nothing of the request
        return GuardedSampler(ParentBased(TraceIdRatioBased(wanted.rate)))
    return GuardedSampler(ParentBased(RootSampler(wanted)))


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
