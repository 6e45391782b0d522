"""The wheel in a fresh environment with core dependencies only: apps nobody adapted are captured."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from deployment.apps import ROUTES, SECRETS
from deployment.placed import CHOICE
from deployment.serving import BOTH, GUNICORN, REQUESTS, UVICORN, Answer, Run, ask

CASES = {
    "Litestar on uvicorn": ("litestar", [*UVICORN, "app:app"]),
    "Falcon on gunicorn": ("falcon", [*GUNICORN, "app:app"]),
    "Falcon on uvicorn": ("falcon", [*UVICORN, "app:asgi"]),
}


def test_only_core_dependencies(installed: Path) -> None:
    """Nothing of contrib's web instrumentations, and no OpenTelemetry distro, comes with the wheel."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "--python", installed / "python", "list", "--format=json"],
        capture_output=True,
        check=True,
    )
    names = {each["name"].lower() for each in json.loads(listed.stdout)}
    assert "spantap" in names
    assert {each for each in names if each.startswith("opentelemetry-instrumentation-")} == {
        "opentelemetry-instrumentation-asgi",
        "opentelemetry-instrumentation-requests",
        "opentelemetry-instrumentation-wsgi",
    }
    assert "opentelemetry-distro" not in names


@pytest.mark.parametrize("name", list(CASES))
def test_captured(name: str, installed: Path, tmp_path: Path) -> None:
    """Each request is answered as ever, is one row with both bodies, clean, and one SERVER span at OTLP."""
    app, command = CASES[name]

    run = Run(tmp_path, app, command, BOTH, binaries=installed)

    run.assert_answered()
    run.assert_stored(ROUTES.get(app))
    run.assert_exported()
    run.assert_clean()


def test_the_only_distro(installed: Path, tmp_path: Path) -> None:
    """Where no other distro is installed, `opentelemetry-instrument` needs no variable to find ours."""
    run = Run(tmp_path, "flask", [*GUNICORN, "app:app"], BOTH, binaries=installed, without=CHOICE)

    run.assert_answered()
    run.assert_stored(ROUTES["flask"])
    run.assert_exported()
    run.assert_clean()


def test_datasette(installed: Path, tmp_path: Path) -> None:
    """A whole application as it is installed, started by its own command."""
    with sqlite3.connect(tmp_path / "people.db") as people:
        people.execute("CREATE TABLE person (number INTEGER PRIMARY KEY, password TEXT)")
        people.executemany(
            "INSERT INTO person VALUES (?, ?)", [(n, SECRETS["body"]) for n in range(REQUESTS)]
        )
    people.close()

    def get(port: int, number: int) -> Answer:
        return ask(port, "GET", f"/people/person/{number}.json?_shape=objects&api_key={SECRETS['query']}")

    run = Run(
        tmp_path,
        "",
        ["datasette", "serve", "people.db", "--port={port}"],
        BOTH,
        binaries=installed,
        ask=get,
    )

    for number, answer in enumerate(run.answers):
        assert answer.status == 200
        assert json.loads(answer.body)["rows"] == [{"number": number, "password": SECRETS["body"]}]
    paths = sorted(each.request.path for each in run.stored)
    assert paths == [f"/people/person/{number}.json" for number in range(REQUESTS)], run.log
    for exchange in run.stored:
        assert json.loads(str(exchange.response.body.content))["rows"][0]["password"] == "[REDACTED]"
    run.assert_exported("response")
    run.assert_clean()
