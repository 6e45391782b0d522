"""`opentelemetry-instrument` around apps that never heard of spantap; contrib's packages are there, too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deployment.apps import ROUTES
from deployment.serving import BIN, GUNICORN, UVICORN, Run

CASES = {
    "fastapi on uvicorn": ("fastapi", [*UVICORN, "app:app"]),
    "django on uvicorn": ("django", [*UVICORN, "app:asgi"]),
    "asgi on uvicorn": ("asgi", [*UVICORN, "app:app"]),
    "wsgi on uvicorn": ("wsgi", [*UVICORN, "--interface=wsgi", "app:app"]),
    "flask on gunicorn": ("flask", [*GUNICORN, "app:app"]),
    "django on gunicorn": ("django", [*GUNICORN, "--threads=2", "app:app"]),
    "wsgi on gunicorn, preloaded": ("wsgi", [*GUNICORN, "--preload", "--workers=2", "app:app"]),
    "asgi on gunicorn": ("asgi", [*GUNICORN, "--worker-class=asgi", "app:app"]),
    "asgi on hypercorn": ("asgi", ["hypercorn", "--bind=127.0.0.1:{port}", "app:app"]),
    "asgi on daphne": ("asgi", ["daphne", "-p", "{port}", "app:app"]),
    "asgi on granian": ("asgi", ["granian", "--interface=asgi", "--port={port}", "app:app"]),
    "wsgi on granian": ("wsgi", ["granian", "--interface=wsgi", "--port={port}", "app:app"]),
    "wsgi on waitress": ("wsgi", ["waitress-serve", "--listen=127.0.0.1:{port}", "app:app"]),
    "flask run": ("flask", ["flask", "--app=app", "run", "--port={port}"]),
}


@pytest.mark.parametrize("name", list(CASES))
def test_captured_without_a_line_of_code(name: str, tmp_path: Path) -> None:
    """Each request is answered as ever, is one row with both bodies, clean, and one SERVER span at OTLP."""
    app, command = CASES[name]
    if shutil.which(command[0], path=str(BIN)) is None:
        pytest.skip(f"needs {command[0]}: pip install {command[0]}")

    run = Run(tmp_path, app, command, {"OTEL_TRACES_EXPORTER": "otlp,spantap_sqlite"})

    run.assert_answered()
    run.assert_stored(ROUTES.get(app))
    run.assert_exported()
    run.assert_clean()
