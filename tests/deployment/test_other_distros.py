"""Beside opentelemetry-distro and contrib's web packages: one SERVER span and one row, none twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployment.apps import ROUTES, django_project
from deployment.conftest import Extra
from deployment.serving import GUNICORN, UVICORN, Run

WEB = tuple(f"opentelemetry-instrumentation-{each}" for each in ("fastapi", "starlette", "flask", "django"))
CONTRIB = pytest.mark.parametrize("contrib", [False, True], ids=["alone", "with contrib's web packages"])
COMMANDS = {
    "fastapi": [*UVICORN, "app:app"],
    "flask": [*GUNICORN, "app:app"],
    "django": [*GUNICORN, "shop.wsgi"],
    "asgi": [*UVICORN, "app:app"],
    "wsgi": ["waitress-serve", "--listen=127.0.0.1:{port}", "app:app"],
}
NAMES = ("OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR")
# What comes from the environment: (distro, configurator); None leaves it to the order on the disk.
PAIRS = {
    "ours": ("spantap", "spantap"),
    "theirs": ("distro", "configurator"),
    "nobody says which": (None, None),
    "our distro, their configurator": ("spantap", "configurator"),
    "their distro, our configurator": ("distro", "spantap"),
}


def assert_one_of_each(folder: Path, app: str, pair: str, installed: Path, path: str) -> None:
    chosen = dict(zip(NAMES, PAIRS[pair], strict=True))
    environ = {
        "PYTHONPATH": path,
        # opentelemetry-distro asks for gRPC; our receiver speaks HTTP. It takes metrics and logs, too.
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        # Without it contrib's spans have the raw query in `http.target`, with or without us.
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
        "OTEL_PYTHON_SPANTAP_SQLITE_PATH": "spantap.db",
        # Contrib's Django package needs it; without, it configures Django with no settings at all.
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "OTEL_TRACES_EXPORTER": "otlp",  # as opentelemetry-distro has it, said for its configurator alone
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        **{name: value for name, value in chosen.items() if value is not None},
    }
    if app == "django":
        django_project(folder)

    run = Run(
        folder,
        "" if app == "django" else app,
        COMMANDS[app],
        environ,
        binaries=installed,
        without=[name for name, value in chosen.items() if value is None],
        delivered_first=True,
    )

    run.assert_answered()
    run.assert_stored(ROUTES.get(app))
    run.assert_exported()
    # Contrib's INTERNAL spans have the raw query; clean is what we export.
    run.assert_clean(internal_spans=PAIRS[pair][1] == "spantap")


@pytest.mark.parametrize("app", list(COMMANDS))
def test_contribs_web_packages(app: str, installed: Path, extra: Extra, tmp_path: Path) -> None:
    """They are there, and ours does their work: under our distro they are not even loaded."""
    assert_one_of_each(tmp_path, app, "ours", installed, extra.path(*WEB))


@CONTRIB
@pytest.mark.parametrize("app", list(COMMANDS))
def test_their_distro(app: str, contrib: bool, installed: Path, extra: Extra, tmp_path: Path) -> None:
    """Our instrumentor alone attaches to the provider there is."""
    path = extra.path("opentelemetry-distro", *(WEB if contrib else ()))

    assert_one_of_each(tmp_path, app, "theirs", installed, path)


@CONTRIB
@pytest.mark.parametrize("pair", [name for name in PAIRS if name not in ("ours", "theirs")])
def test_distro_and_configurator_of_two_packages(
    pair: str, contrib: bool, installed: Path, extra: Extra, tmp_path: Path
) -> None:
    """Whichever of them sets the SDK up."""
    path = extra.path("opentelemetry-distro", *(WEB if contrib else ()))

    assert_one_of_each(tmp_path, "flask", pair, installed, path)


def test_our_distro_brings_our_configurator(installed: Path, extra: Extra, tmp_path: Path) -> None:
    """Theirs would come first, and send nothing, for it is told no exporter."""
    run = Run(
        tmp_path,
        "flask",
        COMMANDS["flask"],
        {"PYTHONPATH": extra.path("opentelemetry-distro"), "OTEL_PYTHON_SPANTAP_SQLITE_PATH": "spantap.db"},
        binaries=installed,
        without=["OTEL_PYTHON_CONFIGURATOR"],
    )

    run.assert_answered()
    run.assert_stored(ROUTES["flask"])
    run.assert_exported()
    run.assert_clean()


def test_their_distro_alone_finds_no_store(installed: Path, extra: Extra, tmp_path: Path) -> None:
    """It names OTLP as the destination; with no store named the exchange is on the span and nowhere else."""
    run = Run(
        tmp_path,
        "flask",
        COMMANDS["flask"],
        {
            "PYTHONPATH": extra.path("opentelemetry-distro"),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_PYTHON_DISTRO": "distro",
            "OTEL_PYTHON_CONFIGURATOR": "configurator",
        },
        binaries=installed,
    )

    run.assert_answered()
    assert len(run.server_spans) == len(run.answers)
    assert not list(tmp_path.glob("*.db"))
