"""docs/deployments.md claims what is tested, and all of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from deployment import (
    test_celery,
    test_config_file,
    test_django_project,
    test_killed,
    test_lambda,
    test_libraries,
    test_matrix,
    test_other_distros,
    test_switches,
    test_wheel,
)
from deployment.cells import SETUPS, WAYS, cells, interrupted, killed
from deployment.environments import FRAMEWORKS as PACKAGES

PAGE = Path(__file__).parent.parent.parent / "docs" / "deployments.md"
# Row -> the test that runs it.
TESTED: dict[str, Callable[..., None]] = {
    **dict.fromkeys(test_wheel.CASES, test_wheel.test_captured),
    **dict.fromkeys(SETUPS, test_matrix.test_captured),
    **dict.fromkeys(WAYS, test_matrix.test_captured),
    "the newest frameworks": test_matrix.test_captured,
    "frameworks at their floors": test_matrix.test_captured,
    "SIGTERM": test_matrix.test_captured,
    "SIGINT": test_matrix.test_interrupted,
    "SIGKILL": test_killed.test_killed,
    "Celery worker": test_celery.test_captured,
    "frozen": test_lambda.test_delivered_before_the_handler_returns,
    "datasette": test_wheel.test_datasette,
    "no variables": test_wheel.test_the_only_distro,
    "contrib's web packages": test_other_distros.test_contribs_web_packages,
    "opentelemetry-distro": test_other_distros.test_their_distro,
    "two distros": test_other_distros.test_distro_and_configurator_of_two_packages,
    "OTEL_CONFIG_FILE": test_config_file.test_captured,
    "sqlite3, Redis, Celery": test_libraries.test_spans_of_libraries,
    "Django's settings": test_django_project.test_settings_are_its_own,
    "OTEL_SDK_DISABLED=true": test_switches.test_sdk_disabled,
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=spantap": test_switches.test_our_instrumentation_is_disabled,
    "a wrong setting": test_switches.test_wrong_settings,
}
SHOWN = {
    "fastapi": "FastAPI",
    "starlette": "Starlette",
    "flask": "Flask",
    "django": "Django",
    "asgi": "ASGI",
    "wsgi": "WSGI",
}


def rows() -> list[list[str]]:
    lines = re.findall(r"^\| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in cells if row[0] not in ("set-up", "way", "versions", "stop")]


def test_every_row_is_tested() -> None:
    """No set-up is on the page that no test runs, and none is run that is not on the page."""
    assert sorted(row[0] for row in rows()) == sorted(TESTED)


def words(command: list[str]) -> list[str]:
    """Those of a command, without ports and how much the server says."""
    beside = r"--(log-level|port|bind|listen|http-socket)=\S+|-p \S+|127\S+"
    return re.sub(beside, "", " ".join(command).replace("{app}", "app:app")).split()


def test_the_commands_are_those_of_the_tests() -> None:
    """What the page says to type is what the tests run, but for ports and how much a server says."""
    told = {row[0]: row[1].strip("`").replace("'", "").split() for row in rows()}
    run = {name: command for name, (_, command) in test_wheel.CASES.items()}
    run |= {name: setup.command for name, setup in SETUPS.items() if not setup.adapter}

    for name, command in run.items():
        assert told[name] == words(command)


def test_what_each_set_up_serves() -> None:
    """The frameworks of a row are those that are run on it."""
    told = {row[0]: row[2] for row in rows()}

    assert {name: told[name] for name in SETUPS} == {
        name: ", ".join(SHOWN[each] for each in setup.frameworks) for name, setup in SETUPS.items()
    }


def test_the_counts() -> None:
    """How many deployments there are, and how many the gate runs, is counted, not guessed."""
    every = [*cells(), *interrupted(), *killed()]
    half = [each for each in every if each.half]

    celery = [half for _, _, half in test_celery.CELLS]

    assert f"{len(every) + len(celery)} deployments" in PAGE.read_text()
    assert f"`make matrices` runs {len(half) + sum(celery)} of them" in PAGE.read_text()
    assert {each.framework for each in every} == set(SHOWN)


def test_the_versions() -> None:
    """The floors on the page are those that are installed."""
    told = {row[0]: row[1] for row in rows()}

    for name in PACKAGES["floors"]:
        assert name.replace("==", " ").lower() in told["frameworks at their floors"].lower()
