"""Tests of other people's suites that come out differently when everything is captured, and why."""

from __future__ import annotations

from typing import Final

_TELEMETRY: Final = "tests/middleware/test_opentelemetry.py::"
_OURS: Final = (
    "with spantap around the app, the one SERVER span is spantap's, on the app's global tracer provider, "
    "and Starlette's OpenTelemetryMiddleware stands down; "
)

EXPLAINED: Final[dict[str, str]] = {
    f"{_TELEMETRY}test_excluded_urls": _OURS + "which paths have none is spantap's EXCLUDE_URLS",
    f"{_TELEMETRY}test_exclusion_propagates_to_nested_native_middleware": _OURS
    + "which paths have none is spantap's EXCLUDE_URLS",
    f"{_TELEMETRY}test_explicit_tracer_provider": _OURS
    + "a provider given to that middleware alone is given to spantap as tracer_provider=",
    f"{_TELEMETRY}test_explicit_noop_tracer_provider": _OURS
    + "a provider given to that middleware alone is given to spantap as tracer_provider=",
    f"{_TELEMETRY}test_http_span_uses_mount_path_when_child_does_not_resolve": "spantap calls the route of "
    "a mounted app /api/{path}, which is what was matched; Starlette's middleware calls it /api",
    f"{_TELEMETRY}test_http_span_uses_mount_path_for_raw_asgi_app": "spantap calls the route of "
    "a mounted app /api/{path}, which is what was matched; Starlette's middleware calls it /api",
}
