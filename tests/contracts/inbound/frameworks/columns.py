"""Which framework is played on which server."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Final

from spantap.testing.matrix import Column, column
from spantap.testing.scene import Scene
from spantap.testing.servers import ASGI

_ASGI: Final = ("uvicorn-h11", "uvicorn-httptools", "hypercorn", "granian")
_WSGI: Final = ("gunicorn-sync", "gunicorn-gthread", "gunicorn-gevent", "waitress", "werkzeug")
_ON: Final = {
    "fastapi": (*_ASGI, "gunicorn-uvicorn"),
    "starlette": _ASGI,
    "litestar": _ASGI,
    "quart": _ASGI,
    "django": (*_ASGI, "daphne", "gunicorn-uvicorn", *_WSGI, "django"),
    "flask": _WSGI,
    "falcon": _WSGI,
    "bottle": _WSGI,
    "pyramid": _WSGI,
}
COLUMNS: Final = [(framework, server) for framework, servers in _ON.items() for server in servers]
"""Framework and server of each column of the table."""

AT_ONCE: Final = 3
"""Columns to play at a time: they mostly wait."""

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


def together(columns: Sequence[Column]) -> list[Column]:
    """One column for each framework and protocol: what came of a scene on all its servers."""
    found: dict[str, Column] = {}
    for each in columns:
        framework, _, server = each.title.partition(" on ")
        title = f"{framework} ({'ASGI' if server in ASGI else 'WSGI'})"
        into = found.setdefault(title, Column(title))
        for name, cell in each.cells.items():
            worse = cell if into.cells.get(name, "-") in ("-", "same") and cell != "-" else None
            into.cells[name] = worse or into.cells.get(name, cell)
    return list(found.values())


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
