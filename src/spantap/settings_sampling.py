"""The rows of sampling, how they are read, and what they have to agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from spantap import settings_redaction
from spantap.model import Problem
from spantap.otel import sampler
from spantap.policy.rates import A_RATE, RateRule, is_pattern, parse_rate, parse_rates
from spantap.policy.sample import parse_always
from spantap.policy.select import DEFAULT_EXCLUDED_METHODS, Selection
from spantap.policy.trace_rates import TAKES, parse_trace_rates
from spantap.policy.traits import status_range
from spantap.settings_redaction import Secret
from spantap.settings_row import Kind, row

# What leaves something out, and what has no effect without.
_SAMPLING: Final = ("capture_sample_rate", "capture_rates", "capture_rates_url")
_OF_URL: Final = ("capture_rates_headers", "capture_rates_interval")
_KEEPS_ERRORS: Final = ("error",)
# What says which paths are captured at all.
_SELECTION: Final = frozenset({"include_urls", "exclude_urls", "default_exclusions"})


def always_on(value: Any) -> tuple[str, ...]:
    """What is always kept, as words."""
    return parse_always(value).words


def rates_url(value: Any) -> str:
    """Where rates are fetched from."""
    return settings_redaction.url(value, "CAPTURE_RATES_HEADERS")


def trace_sampler(value: Any) -> tuple[str, ...]:
    """What `make_sampler` takes."""
    return parse_trace_rates(value).words


def interval(value: Any) -> float:
    """Seconds between two looks."""
    try:
        number = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 1 <= number <= 86_400:
        raise ValueError("use a number of seconds from 1 to 86400")
    return number


@dataclass(frozen=True)
class SamplingSettings:
    """The rows of sampling; `spantap.settings.Settings` has them all."""

    capture_sample_rate: float = row(
        1.0, Kind(A_RATE, parse_rate), "The share of exchanges that is kept; docs/sampling.md."
    )
    capture_rates: tuple[RateRule, ...] = row(
        (),
        Kind(
            "a list of trait:pattern=rate, or a table; in the environment comma-separated",
            parse_rates,
        ),
        "Other rates for some: by user, company, route, endpoint, path, status and more.",
    )
    capture_always_on: tuple[str, ...] = row(
        _KEEPS_ERRORS,
        Kind("error, slow:MILLISECONDS, header:NAME, separated by commas, or none", always_on),
        "What is kept whatever the rates say: errors, what is slow, requests with a header.",
    )
    capture_rates_url: str | None = row(
        None,
        Kind("a URL with http:// or https://", rates_url, secret=True),
        "Where rates are fetched again and again, from the first request on; till then those above hold.",
    )
    capture_rates_headers: Secret | None = row(
        None,
        Kind(
            "name=value, several separated by commas; they are never shown",
            settings_redaction.secret_headers,
            secret=True,
        ),
        "Headers to send to CAPTURE_RATES_URL.",
    )
    capture_rates_interval: float = row(
        60.0, Kind("a number of seconds from 1 to 86400", interval), "Seconds between two looks there."
    )
    trace_sampler: tuple[str, ...] = row(
        (),
        Kind(f"a list of {TAKES}", trace_sampler),
        "Which traces are sampled, where the tracer provider is spantap's: as the sampler spantap; "
        "docs/sampling.md.",
    )


def problems(
    values: Mapping[str, Any], given_as: Mapping[str, str], environ: Mapping[str, str]
) -> Iterator[Problem]:
    """What the settings of sampling do not agree on.

    Args:
        values: the settings that were given and could be read.
        given_as: how each was given.
        environ: the environment.
    """
    if "capture_rates_url" not in given_as:
        for name in _OF_URL:
            if name in given_as:
                yield Problem(given_as[name], "***", "has no effect without CAPTURE_RATES_URL: set that too")
    if "capture_always_on" in given_as and given_as.keys().isdisjoint(_SAMPLING):
        shown = repr(", ".join(values.get("capture_always_on", ())))
        yield Problem(
            given_as["capture_always_on"],
            shown,
            "everything is kept: set CAPTURE_SAMPLE_RATE or CAPTURE_RATES",
        )
    if "trace_sampler" in given_as:
        shown = repr(", ".join(values.get("trace_sampler", ())))
        named = environ.get(sampler.VARIABLE, "").strip()
        if named:
            remedy = f"{sampler.VARIABLE} names a sampler already, {named!r}; unset one of them"
            yield Problem(given_as["trace_sampler"], shown, remedy)
        if values.get("tracer_provider") is not None:
            remedy = "has no effect: the tracer provider that is given has a sampler of its own"
            yield Problem(given_as["trace_sampler"], shown, remedy)
    for rule in values.get("capture_rates", ()):
        why = _why_never(rule, values, unread=bool(given_as.keys() & _SELECTION - values.keys()))
        if why is not None:
            yield Problem(given_as["capture_rates"], repr(str(rule)), f"has no effect: {why}")


def _why_never(rule: RateRule, values: Mapping[str, Any], *, unread: bool) -> str | None:
    """Why a rule is never used; None when it may be, or when what is selected could not be read."""
    always = parse_always(values.get("capture_always_on", _KEEPS_ERRORS))
    if rule.rate < 1 and always.error and _is_of_errors(rule):
        return "CAPTURE_ALWAYS_ON keeps all errors; take error out of it, or delete the rule"
    if (
        rule.rate < 1
        and always.slow is not None
        and rule.kind == "slower"
        and float(rule.pattern) >= always.slow
    ):
        return f"CAPTURE_ALWAYS_ON keeps what takes {always.slow:g} ms; delete the rule"
    if rule.kind == "path" and not is_pattern(rule.pattern) and not unread:
        selection = Selection(
            include=values.get("include_urls", ()),
            exclude=values.get("exclude_urls", ()),
            exclude_methods=(),
            defaults=values.get("default_exclusions", True),
        )
        if not selection.wants("GET", rule.pattern):
            return "this path is not captured at all; see docs/selection.md, or delete the rule"
    excluded = {each.lower() for each in values.get("exclude_methods", DEFAULT_EXCLUDED_METHODS)}
    if rule.kind == "method" and rule.pattern in excluded:
        return "EXCLUDE_METHODS leaves this method out; delete one of them"
    return None


def _is_of_errors(rule: RateRule) -> bool:
    if rule.kind == "error":
        return True
    return rule.kind == "status" and status_range(rule.pattern)[0] >= 500
