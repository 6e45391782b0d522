"""Capture as a Flask extension, for app factories."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from spantap.configuration import Handle, ensure_configured, instrument_app
from spantap.export.sink import Sink

if TYPE_CHECKING:
    from flask import Flask


class Spantap:
    """Captures the exchanges of Flask apps into stores.

    ::

        traffic = Spantap()

        def create_app():
            app = Flask(__name__)
            traffic.init_app(app, stores=[SQLiteSink("traffic.db"), CSVSink("traffic.csv")])
            return app

    There is one capture per process: a factory may be called again, with stores that are equal to
    the first (the same kind, place and terms), or with none.

    Attributes:
        handle: to flush, stop and look at the capture; None before `init_app`.
    """

    def __init__(
        self, app: Flask | None = None, stores: Sink | Iterable[Sink] | None = None, **settings: Any
    ) -> None:
        """Args:
        app: captured at once, if it is there already.
        stores: where exchanges go; the settings name others, or the default.
        **settings: as for `spantap.configure`.
        """
        self.handle: Handle | None = None
        self._stores = stores
        self._settings = settings
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, stores: Sink | Iterable[Sink] | None = None, **settings: Any) -> None:
        """Capture an app, from its next request on.

        Args:
            app: the app; the dict ``SPANTAP`` in its configuration holds settings, too.
            stores: where exchanges go, instead of those of the constructor.
            **settings: as for `spantap.configure`; they count more than those in the app's configuration,
                and those more than the constructor's.

        Raises:
            ConfigurationError: listing every mistake in the settings, or because the process captures
                with other settings already.
        """
        stores = self._stores if stores is None else stores
        wanted = {**self._settings, **app.config.get("SPANTAP", {}), **settings}
        if stores is not None:
            wanted["destinations"] = list(stores) if isinstance(stores, Iterable) else [stores]
        self.handle = ensure_configured(wanted)
        instrument_app(app, framework="flask")
        app.extensions["spantap"] = self
