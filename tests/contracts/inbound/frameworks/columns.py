"""Which framework is played on which server."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Final

from spantap.testing.matrix import Column, column
from spantap.testing.scene import Scene
from spantap.testing.servers import ASGI

_ON: Final = {
    "fastapi": ("uvicorn-httptools", "hypercorn", "gunicorn-uvicorn"),
    "starlette": ("uvicorn-httptools", "hypercorn"),
    "litestar": ("uvicorn-httptools", "hypercorn"),
    "quart": ("uvicorn-httptools", "hypercorn"),
    "django": ("uvicorn-h11", "daphne", "gunicorn-uvicorn", "gunicorn-gthread", "waitress", "django"),
    "flask": ("gunicorn-gthread", "waitress", "werkzeug"),
    "falcon": ("gunicorn-gthread", "waitress"),
    "bottle": ("gunicorn-gthread", "waitress"),
    "pyramid": ("gunicorn-gthread", "waitress"),
}
COLUMNS: Final = [(framework, server) for framework, servers in _ON.items() for server in servers]
"""Framework and server of each column of the table."""

# waitress calls the app when it has the whole body.
_NOT_ON: Final = {"waitress": {"slow-upload", "left-mid-upload", "not-yet-sent"}}


def played_on(framework: str, server: str, played: Sequence[Scene]) -> Column:
    """Play the scenes a framework knows on a server, with and without spantap."""
    name = f"contracts.inbound.frameworks.{framework}"
    module = importlib.import_module(name)
    protocol = "asgi" if server in ASGI else "wsgi"
    app = "app" if hasattr(module, "app") else protocol
    plays = getattr(module, "PLAYS", None) or getattr(module, f"{protocol.upper()}_PLAYS")
    return column(server, played, f"{name}:{app}", plays - _NOT_ON.get(server, set()))


def astray(found: Column) -> dict[str, str]:
    """Scenes that were not played as meant, without spantap: sameness would mean nothing.

    Scene -> the status line that came instead.
    """
    lines: dict[str, str] = {}
    for name, seen in found.plain.items():
        meant = Scene.all[name].status
        came = [data.split(b"\r\n")[0].decode() for what, data in seen.client if what == "answer"]
        came = [line for line in came if not line.startswith("HTTP/1.1 100")]
        wrong = [line for line in came[:1] if meant is not None and line.split()[1][:1] != str(meant)[:1]]
        if wrong or "waited in vain" in seen.app:
            lines[name] = wrong[0] if wrong else "waited in vain"
    return lines
