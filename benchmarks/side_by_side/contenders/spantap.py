"""spantap, everything captured: to an OTLP collector, and into SQLite."""

import os
import sqlite3
from typing import Any

from contenders import Contender, plain_app


class ToCollector(Contender):  # type: ignore[misc]
    """Headers and both bodies on the SERVER span, sent by OTLP."""

    name = "spantap"
    venv = "spantap"
    frameworks = ("fastapi", "flask", "django")
    marker = "network.protocol.version"  # once in each SERVER span
    marker_path = "/v1/traces"
    note = "defaults: 16 KiB of each body, headers, redaction; OTLP/HTTP"

    def make_app(self, framework: str, ctx: Any) -> Any:
        """The app with its door, and the destination set."""
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = ctx.sink_url
        return self.captured(framework, ctx, {})

    def captured(self, framework: str, ctx: Any, settings: dict[str, Any]) -> Any:
        """The app, captured with these settings."""
        import spantap

        self._handle = spantap.configure(**settings)
        if framework == "django":
            return plain_app(framework, ctx, middleware=["spantap.DjangoMiddleware"])
        return spantap.instrument_app(plain_app(framework, ctx))

    def flush(self) -> None:
        """Until everything is delivered."""
        self._handle.flush(30)


class ToSQLite(ToCollector):
    """The same into a local file, with no collector."""

    name = "spantap-sqlite"
    marker = marker_path = ""
    note = "as spantap, into SQLite instead of OTLP"

    def make_app(self, framework: str, ctx: Any) -> Any:
        """The app with its door, and the destination set."""
        return self.captured(framework, ctx, {"sqlite_path": ctx.scratch / "spantap.db"})

    def stored(self, ctx: Any) -> int:
        """How many exchanges the file holds."""
        with sqlite3.connect(ctx.scratch / "spantap.db") as connection:
            return int(connection.execute("SELECT count(*) FROM exchanges").fetchone()[0])


CONTENDERS = [ToCollector(), ToSQLite()]
