"""What users get: the wheel, in a fresh virtual environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FRAMEWORKS = ("fastapi", "flask", "django", "datasette", "litestar", "falcon")
SERVERS = ("uvicorn", "gunicorn", "waitress")
LIBRARIES = ("celery", "redis", "fakeredis", "jsonschema")  # what some set-ups use


def pip(*arguments: str | Path, python: str | Path = sys.executable) -> None:
    """Run pip; a package index that cannot be reached skips the test, except in CI."""
    done = _pip(python, *arguments)
    if done.returncode == 0:
        return
    if os.environ.get("CI") != "true" and _pip(python, "index", "versions", "pip").returncode != 0:
        pytest.skip("needs the package index, and pip finds not even itself there")
    pytest.fail(done.stderr)


def _pip(python: str | Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("spantap-*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin of a fresh environment: the wheel with its core dependencies, frameworks, servers."""
    environment = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip("install", wheel, *FRAMEWORKS, *SERVERS, *LIBRARIES, python=environment / "bin/python")
    return environment / "bin"


class Extra:
    """Further OpenTelemetry packages, each in a folder for PYTHONPATH: one environment, many set-ups."""

    def __init__(self, installed: Path, root: Path) -> None:
        self._python = installed / "python"
        self._root = root

    def path(self, *packages: str) -> str:
        """A PYTHONPATH with these packages, installed without what they depend on."""
        for package in packages:
            if not (self._root / package).exists():
                pip("install", "--no-deps", "--target", self._root / package, package, python=self._python)
        return os.pathsep.join(str(self._root / package) for package in packages)


@pytest.fixture(scope="session")
def extra(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Extra:
    """Gives folders with further OpenTelemetry packages."""
    return Extra(installed, tmp_path_factory.mktemp("extra"))
