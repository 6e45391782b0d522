"""What is installed where: virtual environments of a test run, each made when a test first asks for it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Literal

import pytest

ROOT = Path(__file__).parent.parent.parent
Versions = Literal["latest", "floors"]

# The floors are those of the extras in pyproject.toml; Starlette's is the one FastAPI's asks for.
FRAMEWORKS: dict[Versions, tuple[str, ...]] = {
    "latest": ("fastapi", "flask", "django", "datasette", "litestar", "falcon"),
    "floors": ("fastapi==0.110.0", "flask==3.0.0", "django==4.2"),
}
SERVERS = ("uvicorn", "gunicorn", "uvicorn-worker", "gevent", "hypercorn", "waitress", "daphne", "granian")
ADAPTERS = ("mangum", "apig-wsgi", "serverless-wsgi")  # for AWS Lambda
LIBRARIES = ("celery", "redis", "fakeredis", "jsonschema")  # what some set-ups use
COMPILED = ("uwsgi",)  # from source, if there is a compiler


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


@contextmanager
def made_once(place: Path) -> Iterator[bool]:
    """Whether it is still to be made; whoever comes meanwhile waits."""
    made = Path(f"{place}.made")
    with Path(f"{place}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not made.exists()
        made.touch()


def opentelemetry() -> set[str]:
    """The packages of OpenTelemetry the tests run with."""
    names = {each.metadata["Name"] for each in distributions()}
    return {name for name in names if name.startswith("opentelemetry-")}


class Environments:
    """What is asked for is made once in a test run, whichever worker of pytest-xdist asks first."""

    def __init__(self, root: Path) -> None:
        """Args:
        root: a folder of this test run, the same one for every worker.
        """
        self._root = root

    def bare(self, versions: Versions = "latest") -> Path:
        """The bin of an environment with frameworks and servers, and nothing of ours."""
        place = self._root / f"bare-{versions}"
        with made_once(place) as wanted:
            if wanted:
                subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
                python = place / "bin/python"
                more = LIBRARIES if versions == "latest" else ()
                self._install(python, *FRAMEWORKS[versions], *SERVERS, *ADAPTERS, *more)
                # One that does not build is not there; its tests say so.
                _pip(python, "install", "--no-compile", *COMPILED)
        return place / "bin"

    def installed(self, versions: Versions = "latest") -> Path:
        """The same with the wheel and its core dependencies, as users install it beside their app."""
        place = self._root / f"installed-{versions}"
        with made_once(place) as wanted:
            if wanted:
                _copy(self.bare(versions).parent, place)
                self._install(place / "bin/python", self._wheel())
        return place / "bin"

    def injected(self) -> Path:
        """A folder with the wheel and its core dependencies, as the image of an operator has it."""
        place = self._root / "injected"
        with made_once(place) as wanted:
            if wanted:
                self._install(sys.executable, "--target", place, self._wheel())
        return place

    def _wheel(self) -> Path:
        with made_once(self._root / "wheel") as wanted:
            if wanted:
                pip("wheel", "--no-deps", "--wheel-dir", self._root, ROOT)
        (wheel,) = self._root.glob("spantap-*.whl")
        return wheel

    def _install(self, python: str | Path, *packages: str | Path) -> None:
        # The packages of OpenTelemetry pin each other: those a framework brings have to fit ours.
        with made_once(self._root / "pins") as wanted:
            if wanted:
                pins = [f"{name}=={version(name)}" for name in sorted(opentelemetry())]
                (self._root / "pins").write_text("\n".join(pins))
        # Most of it is never imported: compiling all of it would take longer than to install it.
        pip("install", "--no-compile", "-c", self._root / "pins", *packages, python=python)


def _copy(source: Path, target: Path) -> None:
    """The same environment in another place. Files are linked: pip replaces them, and never writes to one."""
    shutil.copytree(source, target, symlinks=True, copy_function=os.link)
    for script in (target / "bin").iterdir():
        if script.is_file() and not script.is_symlink() and (text := script.read_bytes())[:2] == b"#!":
            script.unlink()
            script.write_bytes(text.replace(bytes(source), bytes(target)))
            script.chmod(0o755)
