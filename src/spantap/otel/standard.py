"""The standard ``OTEL_*`` variables that we read ourselves, and the mistakes in them.

What the SDK and its exporters read is theirs to read; a mistake there that would show only at
the first request or the first export is told at start-up all the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import re2

from spantap.model import Problem, did_you_mean
from spantap.otel import exporters, otlp, sampler
from spantap.otel.queue import Batching
from spantap.policy.redact.user_rules import InvalidRulesError

DELAY: Final = "OTEL_BSP_SCHEDULE_DELAY"
BATCH: Final = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
QUEUE: Final = "OTEL_BSP_MAX_QUEUE_SIZE"
SANITIZE: Final = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"
REQUEST_HEADERS: Final = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST"
RESPONSE_HEADERS: Final = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE"
REQUEST_HEADERS_OUTGOING: Final = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST"
RESPONSE_HEADERS_OUTGOING: Final = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE"
_HEADERS: Final = (
    *(SANITIZE, REQUEST_HEADERS, RESPONSE_HEADERS, REQUEST_HEADERS_OUTGOING, RESPONSE_HEADERS_OUTGOING),
)

# Variable -> the lowest whole number it takes.
_NUMBERS: Final = {
    **dict.fromkeys((DELAY, BATCH, QUEUE, otlp.EXPORT_TIMEOUT), 1),
    **dict.fromkeys(
        (
            "OTEL_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_SPAN_EVENT_COUNT_LIMIT",
            "OTEL_SPAN_LINK_COUNT_LIMIT",
            "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
        ),
        0,
    ),
}


def batching(max_queued: int | None, environ: Mapping[str, str] = os.environ) -> Batching:
    """When a batch goes out, as the variables of the batch processor say; our queues replace it.

    Args:
        max_queued: spans a queue holds; None leaves it to the environment.
        environ: the environment, without mistakes.
    """
    plain = Batching()
    delay = _number(environ, DELAY)
    queued = max_queued or _number(environ, QUEUE) or plain.max_queued
    return Batching(
        # A batch larger than the queue would never be full.
        max_items=min(_number(environ, BATCH) or plain.max_items, queued),
        delay=plain.delay if delay is None else delay / 1000,
        max_queued=queued,
    )


def header_names(variable: str, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The expressions for names of headers that a variable lists (`SANITIZE`, `REQUEST_HEADERS`, ...)."""
    return tuple(each.strip() for each in environ.get(variable, "").split(",") if each.strip())


def problems(environ: Mapping[str, str]) -> list[Problem]:
    """What is wrong with the standard variables."""
    found = []
    for name, lowest in _NUMBERS.items():
        text = environ.get(name, "").strip()
        if text and (not text.isdecimal() or int(text) < lowest):
            found.append(Problem(name, repr(text), f"use a whole number, {lowest} or more"))
    if not found and (_number(environ, BATCH) or 0) > (_number(environ, QUEUE) or 10**9):
        found.append(Problem(BATCH, environ[BATCH], f"a batch cannot be larger than the queue ({QUEUE})"))
    for variable in _HEADERS:
        for expression in header_names(variable, environ):
            try:
                re2.compile(expression)
            except re2.error as error:
                found.append(Problem(variable, repr(expression), f"not a regular expression (RE2): {error}"))
    found += _sampler_problems(environ)
    known = exporters.known()
    listed = exporters.named(environ)
    for name in listed or ():
        if name not in known:
            remedy = f"no such exporter is installed; there are {', '.join(sorted(known))}"
            found.append(Problem(exporters.VARIABLE, repr(name), remedy + did_you_mean(name, sorted(known))))
    wanted = otlp.endpoint(environ) is not None if listed is None else not exporters.OTLP.isdisjoint(listed)
    return found + (_otlp_problems(environ) if wanted else [])


def _sampler_problems(environ: Mapping[str, str]) -> list[Problem]:
    found = []
    name, share = environ.get(sampler.VARIABLE, "").strip(), environ.get(sampler.ARGUMENT, "").strip()
    known = sorted(sampler.known())
    if name and name not in known and name.lower() not in sampler.STANDARD:
        remedy = f"no such sampler is installed; there are {', '.join(known)}{did_you_mean(name, known)}"
        found.append(Problem(sampler.VARIABLE, repr(name), remedy))
    if share and name == sampler.OURS:
        try:
            sampler.make_sampler(share)
        except InvalidRulesError as error:
            found += [Problem(sampler.ARGUMENT, repr(text), remedy) for _, text, remedy in error.problems]
    if share and name.lower() in sampler.WITH_A_SHARE and not sampler.is_share(share):
        found.append(Problem(sampler.ARGUMENT, repr(share), "use a number from 0 to 1"))
    return found


def _otlp_problems(environ: Mapping[str, str]) -> list[Problem]:
    found = []
    name, value = _otlp(environ, "PROTOCOL")
    if value and value.lower() not in otlp.PROTOCOLS:
        found.append(Problem(name, repr(value), f"use one of {', '.join(otlp.PROTOCOLS)}"))
    name, value = _otlp(environ, "COMPRESSION")
    if value and value.strip().lower() not in otlp.COMPRESSIONS:
        found.append(Problem(name, repr(value), f"use one of {', '.join(otlp.COMPRESSIONS)}"))
    name, value = _otlp(environ, "TIMEOUT")
    if value and not otlp.is_seconds(value):
        found.append(Problem(name, repr(value), "use a number of seconds above 0"))
    name, value = _otlp(environ, "CERTIFICATE")
    if value and not Path(value).is_file():
        found.append(Problem(name, repr(value), "there is no such file; give the collector's CA as PEM"))
    return found


def _otlp(environ: Mapping[str, str], what: str) -> tuple[str, str]:
    """The variable in force, that for traces first, and its value; empty when neither is set."""
    for name in (f"OTEL_EXPORTER_OTLP_TRACES_{what}", f"OTEL_EXPORTER_OTLP_{what}"):
        if environ.get(name):
            return name, environ[name]
    return "", ""


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "").strip()
    return int(text) if text.isdecimal() else None
