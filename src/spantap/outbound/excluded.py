"""URLs that get neither span nor record, by OpenTelemetry's own variables."""

from __future__ import annotations

import os
from collections.abc import Callable

from opentelemetry.util.http import ExcludeList, get_excluded_urls


class Excluded:
    """The rules of ``OTEL_PYTHON_<CLIENT>_EXCLUDED_URLS``, or else ``OTEL_PYTHON_EXCLUDED_URLS``."""

    def __init__(self) -> None:
        self.read_anew()

    def read_anew(self) -> None:
        """The variables may have changed."""
        self._lists: dict[str, ExcludeList | None] = {}

    def excludes(self, client: str, url: Callable[[], str]) -> bool:
        """Whether a request is left alone.

        Args:
            client: a door's name.
            url: makes the whole URL, if there are rules.
        """
        try:
            found = self._lists[client]
        except KeyError:
            found = self._lists[client] = _excluded_urls(_VARIABLES.get(client, client.upper()))
        return found is not None and found.url_disabled(url())


_VARIABLES = {"aiohttp": "AIOHTTP_CLIENT"}


def _excluded_urls(client: str) -> ExcludeList | None:
    general = os.environ.get("OTEL_PYTHON_EXCLUDED_URLS", "")
    if not os.environ.get(f"OTEL_PYTHON_{client}_EXCLUDED_URLS", general):
        return None
    return get_excluded_urls(client)
