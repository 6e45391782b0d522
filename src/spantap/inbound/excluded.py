"""URLs that get neither span nor record, by OpenTelemetry's own variables."""

from __future__ import annotations

import os

from opentelemetry.util.http import ExcludeList, get_excluded_urls


def excluded_urls(framework: str) -> ExcludeList | None:
    """The rules of ``OTEL_PYTHON_<framework>_EXCLUDED_URLS``, or else ``OTEL_PYTHON_EXCLUDED_URLS``.

    Args:
        framework: in capitals: ``FASTAPI``, ``ASGI``, ...

    Returns:
        The rules; None when there are none, so that no URL is made for them.
    """
    general = os.environ.get("OTEL_PYTHON_EXCLUDED_URLS", "")
    if not os.environ.get(f"OTEL_PYTHON_{framework}_EXCLUDED_URLS", general):
        return None
    return get_excluded_urls(framework)
