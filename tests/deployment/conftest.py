"""What users get: the wheel, in a fresh virtual environment."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest

from deployment.environments import Environments, made_once, pip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder takes its time."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("conformance"):
            item.add_marker("matrix")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run, the same one for every worker of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def environments(shared: Path) -> Environments:
    """Environments with and without the wheel, of the newest frameworks and of those at our floors."""
    return Environments(shared)


@pytest.fixture(scope="session")
def installed(environments: Environments) -> Path:
    """The bin of a fresh environment: the wheel with its core dependencies, frameworks, servers."""
    return environments.installed()


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
