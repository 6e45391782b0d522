"""Whose tracer provider: the app's own, or one of ours.

Bound at the first request, not at import: an app that sets up OpenTelemetry after
``instrument_app`` still finds no provider in its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import ProxyTracerProvider, Tracer

from spantap.guard import logger
from spantap.otel import sampler
from spantap.otel.ids import PrivateRandomIds
from spantap.otel.starting import Starter, starter_of
from spantap.version import __version__

SCOPE: Final = "spantap"
# The version whose stable HTTP conventions our spans follow.
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.36.0"


@dataclass(frozen=True, slots=True)
class Tracing:
    """What a process traces with.

    Attributes:
        tracer: starts our spans.
        provider: where it came from.
        own: the provider is ours, so its spans reach only our processor.
        starter: begins our spans in the tracer's place, as long as nobody but us is told of them.
        resource: what describes the service; for spans we make ourselves.
        service: its ``service.name``.
        propagation_fields: lower-case names of the headers that carry trace context; empty when
            the propagator does not tell.
    """

    tracer: Tracer
    provider: trace.TracerProvider
    own: bool
    starter: Starter | None
    resource: Resource
    service: str | None
    propagation_fields: frozenset[str]


def bind(
    processor: SpanProcessor,
    provider: trace.TracerProvider | None = None,
    trace_sampler: Sampler | None = None,
) -> Tracing:
    """Attach a processor to the tracer provider in force, setting one when there is none.

    Args:
        processor: gets every span from now on.
        provider: use this one instead of the global one.
        trace_sampler: for a provider of ours, instead of the one the environment names.
    """
    found = provider if provider is not None else trace.get_tracer_provider()
    own = isinstance(found, ProxyTracerProvider)
    if own:
        ours = TracerProvider(
            sampler=trace_sampler or sampler.installed(),
            resource=_resource(),
            id_generator=PrivateRandomIds(),
        )
        trace.set_tracer_provider(ours)
        found = trace.get_tracer_provider()
        own = found is ours  # another thread may have been faster
    add: Any = getattr(found, "add_span_processor", None)
    if add is not None:
        add(processor)
    resource = getattr(found, "resource", None)
    if not isinstance(resource, Resource):
        resource = _resource()
    service = resource.attributes.get(SERVICE_NAME)
    tracer = found.get_tracer(SCOPE, __version__, schema_url=SCHEMA_URL)
    return Tracing(
        tracer=tracer,
        provider=found,
        own=own,
        starter=starter_of(tracer),
        resource=resource,
        service=None if service is None else str(service),
        propagation_fields=frozenset(each.lower() for each in propagate.get_global_textmap().fields),
    )


def _resource() -> Resource:
    distro = {"telemetry.distro.name": SCOPE, "telemetry.distro.version": __version__}
    try:
        return Resource.create(distro)
    except Exception as error:  # noqa: BLE001 - a detector that insists must not keep us from capturing
        # Or: the main thread has ended, and with it the thread pool that resource detectors run in;
        # a server in a thread of its own may still get its first request. Or: somebody watches
        # the event loop for what blocks it, and the pool does for a moment.
        logger.debug("resource detectors have failed: %s", type(error).__qualname__)
        unnamed = Resource({SERVICE_NAME: "unknown_service"})
        return unnamed.merge(OTELResourceDetector().detect()).merge(Resource(distro))
