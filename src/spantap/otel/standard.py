"""The standard ``OTEL_*`` variables that we read ourselves, and the mistakes in them.

What the SDK and its exporters read is theirs; here is what would show only at the first export.
"""

from __future__ import annotations

from collections.abc import Mapping

from spantap.model import Problem, did_you_mean
from spantap.otel import exporters, otlp


def problems(environ: Mapping[str, str]) -> list[Problem]:
    """Mistakes that would show only at the first export."""
    found = []
    if otlp.endpoint(environ) is not None and otlp.protocol(environ) not in otlp.PROTOCOLS:
        name = next(
            each
            for each in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
            if environ.get(each)
        )
        found.append(Problem(name, repr(environ[name]), f"use one of {', '.join(otlp.PROTOCOLS)}"))
    known = exporters.known()
    for name in exporters.named(environ) or ():
        if name not in known:
            remedy = f"no such exporter is installed; there are {', '.join(sorted(known))}"
            found.append(Problem(exporters.VARIABLE, repr(name), remedy + did_you_mean(name, sorted(known))))
    return found
