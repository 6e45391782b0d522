"""The parts of a capture, as the settings want them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from spantap.capture.limits import CaptureLimits
from spantap.otel import hooks, standard
from spantap.otel.budget import Budget
from spantap.otel.clean_copy import SpanCleaner
from spantap.otel.client_tap import ClientOptions, ClientTap
from spantap.otel.hooks import Hooks
from spantap.otel.processor import CaptureProcessor, Route
from spantap.otel.sampler import GuardedSampler, make_sampler
from spantap.otel.tap import Tap, TapOptions
from spantap.policy import policies
from spantap.policy.hosts import Hosts
from spantap.policy.identify import IdentityOptions
from spantap.policy.pipeline import Pipeline, PipelineOptions
from spantap.policy.presets import PRESETS
from spantap.policy.proxies import TrustedProxies
from spantap.policy.redact import Redactor
from spantap.policy.redact.hashing import Hasher
from spantap.policy.select import Selection
from spantap.polled_rates import sampler_of
from spantap.settings import Settings
from spantap.settings_hooks import Hook


def tap_of(wanted: Settings, redactor: Redactor, routes: Sequence[Route], budget: Budget) -> Tap:
    """What doors for requests that are answered open sessions with."""
    limits = _limits(wanted, request=wanted.request_bodies, response=wanted.response_bodies)
    return Tap(
        selection=_selection(wanted, defaults=wanted.default_exclusions),
        pipeline=Pipeline(
            redactor,
            _shown(wanted, limits, request=standard.REQUEST_HEADERS, response=standard.RESPONSE_HEADERS),
        ),
        processor=CaptureProcessor(SpanCleaner(redactor), routes, budget, wanted.capture_unsampled),
        budget=budget,
        options=TapOptions(
            limits=limits,
            unsampled=wanted.capture_unsampled,
            live_bodies=wanted.live_bodies,
            tracer_provider=wanted.tracer_provider,
            identity=_identity(wanted),
            hide_identity_headers=wanted.hide_identity_headers,
            data_attribute=wanted.data_attribute,
            data_key=wanted.data_key,
            record_metrics=wanted.record_metrics,
            hooks=_hooks({name: getattr(wanted, name) for name in hooks.NAMES}, wanted.hook_timeout),
            live_policy=policies.named(wanted.policies, "otlp"),
            faas_flush_timeout=wanted.faas_flush_timeout,
            sampler=sampler_of(wanted),
            trace_sampler=trace_sampler_of(wanted),
        ),
    )


def client_tap_of(wanted: Settings, tap: Tap, redactor: Redactor) -> ClientTap:
    """What doors for requests that are sent open sessions with."""
    limits = _limits(
        wanted,
        request=_either(wanted.request_bodies_outgoing, wanted.request_bodies),
        response=_either(wanted.response_bodies_outgoing, wanted.response_bodies),
    )
    shown = _shown(
        wanted,
        limits,
        request=standard.REQUEST_HEADERS_OUTGOING,
        response=standard.RESPONSE_HEADERS_OUTGOING,
    )
    asked = {
        "skip": wanted.skip_outgoing or wanted.skip,
        "identify_user": wanted.identify_user_outgoing,
        "identify_company": wanted.identify_company_outgoing,
        "session_token": wanted.session_token_outgoing,
        "metadata": wanted.metadata_outgoing or wanted.metadata,
        "mask": wanted.mask,
    }
    return ClientTap(
        tap,
        selection=_selection(wanted, defaults=False),
        pipeline=Pipeline(redactor, shown),
        options=ClientOptions(
            limits=limits,
            hosts=Hosts(wanted.outgoing_hosts, wanted.exclude_outgoing_hosts),
            hooks=_hooks(asked, wanted.hook_timeout),
            baggage_hosts=Hosts(wanted.baggage_hosts) if wanted.baggage_hosts else None,
        ),
    )


def _limits(wanted: Settings, *, request: bool, response: bool) -> CaptureLimits:
    most = wanted.body_limit if PRESETS[wanted.preset].bodies else 0
    return CaptureLimits(request_body=most if request else 0, response_body=most if response else 0)


def _shown(wanted: Settings, limits: CaptureLimits, *, request: str, response: str) -> PipelineOptions:
    """What may be shown; the variables list headers that are captured although headers are off."""
    preset = PRESETS[wanted.preset]
    return PipelineOptions(
        limits=limits,
        headers=wanted.headers and preset.headers,
        request_headers=standard.header_names(request),
        response_headers=standard.header_names(response),
        query=wanted.query and preset.query,
    )


def _hooks(named: Mapping[str, Hook | None], timeout: float) -> Hooks:
    return Hooks({name: hook for name, hook in named.items() if hook is not None}, timeout)


def _either(set_for_these: bool | None, else_as: bool) -> bool:
    return else_as if set_for_these is None else set_for_these


def _selection(wanted: Settings, *, defaults: bool) -> Selection:
    return Selection(
        include=wanted.include_urls,
        exclude=wanted.exclude_urls,
        exclude_methods=wanted.exclude_methods,
        taken=wanted.include,
        left_out=wanted.exclude,
        defaults=defaults,
    )


def trace_sampler_of(wanted: Settings) -> GuardedSampler | None:
    """What decides which traces are sampled; None leaves it to the environment."""
    return make_sampler(wanted.trace_sampler) if wanted.trace_sampler else None


def _identity(wanted: Settings) -> IdentityOptions:
    return IdentityOptions(
        authorization_headers=wanted.authorization_headers,
        user_claim=wanted.authorization_user_claim,
        user_header=wanted.user_header,
        company_header=wanted.company_header,
        device_header=wanted.device_header,
        proxies=TrustedProxies(wanted.trusted_proxies, wanted.proxy_header)
        if wanted.trusted_proxies
        else None,
    )


def redactor_of(wanted: Settings, hasher: Hasher | None) -> Redactor:
    """What takes secrets out, by the settings and the standard variables."""
    return Redactor(
        keys=wanted.redact_keys,
        keep_keys=wanted.keep_keys,
        headers=(*standard.header_names(standard.SANITIZE), *_naming(wanted.authorization_headers)),
        values=wanted.redact_values,
        rules=wanted.redact_rules,
        allow=wanted.redaction_mode == "allow",
        hasher=hasher,
        hashes=wanted.hashed,
    )


def _naming(headers: Sequence[str]) -> list[str]:
    """What names the user is a credential, whatever its name; that of `Authorization` keeps its scheme."""
    return [f"^{re.escape(each)}$" for each in headers if each.lower() != "authorization"]
