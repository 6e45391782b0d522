"""docs/deployments.md claims what is tested, and all of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from deployment import (
    test_config_file,
    test_django_project,
    test_lambda,
    test_libraries,
    test_other_distros,
    test_processes,
    test_switches,
    test_wheel,
)

PAGE = Path(__file__).parent.parent.parent / "docs" / "deployments.md"
# Row -> the test that runs it.
TESTED: dict[str, Callable[..., None]] = {
    **dict.fromkeys(test_wheel.CASES, test_wheel.test_captured),
    **dict.fromkeys(test_processes.CASES, test_processes.test_no_request_is_lost),
    "manage.py runserver": test_django_project.test_settings_are_its_own,
    "datasette": test_wheel.test_datasette,
    "uvicorn --reload": test_processes.test_reload,
    "Starlette on Mangum": test_lambda.test_delivered_before_the_handler_returns,
    "Flask on apig-wsgi": test_lambda.test_delivered_before_the_handler_returns,
    "Flask on serverless-wsgi": test_lambda.test_delivered_before_the_handler_returns,
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


def rows() -> list[list[str]]:
    lines = re.findall(r"^\| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in cells if row[0] != "set-up"]


def test_every_row_is_tested() -> None:
    """No set-up is on the page that no test runs, and none is run that is not on the page."""
    assert sorted(row[0] for row in rows()) == sorted(TESTED)


def test_the_commands_are_those_of_the_tests() -> None:
    """What the page says to type is what the tests run, but for ports and how much a server says."""
    beside = re.compile(r"--(log-level|port|bind|listen)=\S+|-p \S+")
    told = {row[0]: row[1].strip("`").split() for row in rows()}
    run = {name: command for name, (_, command) in test_wheel.CASES.items()}
    run |= {name: command for name, (_, command, _) in test_processes.CASES.items()}

    for name, command in run.items():
        assert told[name] == beside.sub("", " ".join(command)).split()
