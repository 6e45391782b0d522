"""A Django project as `startproject` lays it out: nobody but itself says where its settings are."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployment.apps import ROUTES, django_project
from deployment.conftest import Extra
from deployment.serving import BOTH, GUNICORN, REQUESTS, UVICORN, Answer, Run, post, said_by, wait_for
from spantap.export.sqlite import SQLiteSink

CONTRIB = ("opentelemetry-instrumentation-django", "opentelemetry-instrumentation-flask")
RUNSERVER = ["python", "manage.py", "runserver", "127.0.0.1:{port}", "--noreload"]
COMMANDS = {
    "manage.py runserver": RUNSERVER,
    "gunicorn": [*GUNICORN, "shop.wsgi"],
    "uvicorn": [*UVICORN, "shop.asgi:application"],
}


def assert_captured(run: Run) -> None:
    run.assert_answered()
    run.assert_stored(ROUTES["django"])
    run.assert_exported()
    run.assert_clean()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_settings_are_its_own(name: str, installed: Path, extra: Extra, tmp_path: Path) -> None:
    """Contrib's Django package, which is there, would set Django up with no settings at all."""
    django_project(tmp_path)

    run = Run(tmp_path, "", COMMANDS[name], {**BOTH, "PYTHONPATH": extra.path(*CONTRIB)}, binaries=installed)

    assert_captured(run)


def test_runserver_with_its_reloader(installed: Path, tmp_path: Path) -> None:
    """It serves from a process that it starts anew on each change."""
    django_project(tmp_path)
    store = tmp_path / "spantap.db"

    def keep(port: int, number: int) -> Answer:
        answer = post(port, number)
        if number == REQUESTS - 1:  # told to stop, runserver leaves its child without a word
            wait_for(lambda: store.exists() and len(SQLiteSink(store).read()) == REQUESTS)
        return answer

    run = Run(tmp_path, "", RUNSERVER[:-1], BOTH, binaries=installed, ask=keep)

    run.assert_answered()
    run.assert_stored(ROUTES["django"])


def test_with_their_distro(installed: Path, extra: Extra, tmp_path: Path) -> None:
    """There, OTEL_PYTHON_DJANGO_INSTRUMENT=False keeps contrib's package from it; ours captures."""
    django_project(tmp_path)

    run = Run(
        tmp_path,
        "",
        COMMANDS["gunicorn"],
        {
            "PYTHONPATH": extra.path("opentelemetry-distro", *CONTRIB),
            "OTEL_PYTHON_DISTRO": "distro",
            "OTEL_PYTHON_CONFIGURATOR": "configurator",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_PYTHON_DJANGO_INSTRUMENT": "False",
            "OTEL_PYTHON_SPANTAP_SQLITE_PATH": "spantap.db",
        },
        binaries=installed,
    )

    assert_captured(run)


def test_no_framework_is_imported(installed: Path, extra: Extra, tmp_path: Path) -> None:
    """A program that uses none of them does not pay for them, and Django waits for its settings."""
    said = said_by(
        tmp_path,
        """
import sys
names = ("django", "fastapi", "flask", "starlette", "uvicorn", "gunicorn")
print([name for name in names if name in sys.modules])
from django.conf import settings
print(settings.configured)
""",
        {"PYTHONPATH": extra.path(*CONTRIB)},
        binaries=installed,
    )

    assert said.splitlines() == ["[]", "False"]
