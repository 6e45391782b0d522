"""The doors for those who like to place them themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from spantap.configuration import current_tap, ensure_configured
from spantap.inbound import asgi, wsgi
from spantap.inbound.excluded import excluded_urls


class ASGIMiddleware(asgi.ASGIDoor):
    """Captures what passes to and from an ASGI app.

    ::

        app = ASGIMiddleware(app)
    """

    def __init__(self, app: asgi.ASGIApp, **settings: Any) -> None:
        """Args:
        app: an ASGI 3 callable.
        **settings: as for `spantap.configure`.

        Raises:
            ConfigurationError: wrong settings.
        """
        ensure_configured(settings)
        super().__init__(app, current_tap, excluded_urls("ASGI"))


class WSGIMiddleware(wsgi.WSGIDoor):
    """Captures what passes to and from a WSGI app.

    ::

        app = WSGIMiddleware(app)
    """

    def __init__(self, app: wsgi.WSGIApp, **settings: Any) -> None:
        """Args:
        app: a WSGI callable.
        **settings: as for `spantap.configure`.

        Raises:
            ConfigurationError: wrong settings.
        """
        ensure_configured(settings)
        super().__init__(app, current_tap, excluded_urls("WSGI"))


class DjangoMiddleware:
    """Captures all of a Django project; goes first in ``MIDDLEWARE``.

    Settings are read from the dict ``SPANTAP`` in Django's settings. The capture itself stands
    around Django's handlers, where the bytes pass; this class only switches it on and tells
    which view answered. Works under WSGI and ASGI without changing how a request is run.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        """Args:
        get_response: Django's.

        Raises:
            ConfigurationError: ``SPANTAP`` holds wrong settings.
        """
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction
        from django.conf import settings

        from spantap.inbound import django

        ensure_configured(getattr(settings, "SPANTAP", {}))
        django.instrument_everywhere(current_tap)
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any | Awaitable[Any]:
        """Pass the request on."""
        return self._get_response(request)
