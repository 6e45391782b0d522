"""What users get: the wheel, in a fresh virtual environment."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FRAMEWORKS = ("fastapi", "flask", "django", "datasette", "litestar", "falcon")
SERVERS = ("uvicorn", "gunicorn", "hypercorn", "waitress", "daphne", "granian")
LIBRARIES = ("celery", "redis", "fakeredis", "jsonschema")  # what some set-ups use


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder takes its time."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("matrix")


def pip(*arguments: str | Path, python: str | Path = sys.executable) -> None:
    """Run pip; a package index that cannot be reached skips the test, except in CI."""
    done = _pip(python, *arguments)
    if done.returncode == 0:
        return
    if os.environ.get("CI") != "true" and _pip(python, "index", "versions", "pip").returncode != 0:
        pytest.skip("needs the package index, and pip finds not even itself there")
    pytest.fail(done.stderr)


def _pip(python: str | Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "--quiet",
        "--disable-pip-version-check",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run, the same one for every worker of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def made_once(place: Path) -> Iterator[bool]:
    """Whether it is still to be made; whoever comes meanwhile waits."""
    made = Path(f"{place}.made")
    with Path(f"{place}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not made.exists()
        made.touch()


@pytest.fixture(scope="session")
def installed(shared: Path) -> Path:
    """The bin of a fresh environment: the wheel with its core dependencies, frameworks, servers."""
    environment = shared / "installed"
    with made_once(environment) as wanted:
        if wanted:
            pip("wheel", "--no-deps", "--wheel-dir", shared, ROOT)
            (wheel,) = shared.glob("spantap-*.whl")
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
            python = environment / "bin/python"
            # The packages of OpenTelemetry pin each other: the extra ones have to fit the first.
            pins = [f"{name}=={version(name)}" for name in sorted(opentelemetry())]
            (shared / "pins").write_text("\n".join(pins))
            # Most of it is never imported: compiling all of it would take longer than to install it.
            install = ("install", "--no-compile", "-c", shared / "pins", wheel)
            pip(*install, *FRAMEWORKS, *SERVERS, *LIBRARIES, python=python)
    return environment / "bin"


def opentelemetry() -> set[str]:
    """The packages of OpenTelemetry the tests run with."""
    names = {each.metadata["Name"] for each in distributions()}
    return {name for name in names if name.startswith("opentelemetry-")}


class Extra:
    """Further OpenTelemetry packages, each in a folder for PYTHONPATH: one environment, many set-ups."""

    def __init__(self, python: Path, root: Path) -> None:
        self._python = python
        self._root = root

    def path(self, *packages: str) -> str:
        """A PYTHONPATH with these packages, installed without what they depend on."""
        pinned = version("opentelemetry-instrumentation")
        for package in packages:
            folder = self._root / package
            with made_once(folder) as wanted:
                if wanted:
                    pip(
                        "install",
                        "--no-deps",
                        "--target",
                        folder,
                        f"{package}=={pinned}",
                        python=self._python,
                    )
        return os.pathsep.join(str(self._root / package) for package in packages)


@pytest.fixture(scope="session")
def extra(installed: Path, shared: Path) -> Extra:
    """Gives folders with further OpenTelemetry packages."""
    return Extra(installed / "python", shared)
