"""Visits are paid once per run, a few at a time, while the first tests already look at their results."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.inbound.placements import baseline_of
from contracts.inbound.visit import Visit, pay

_AT_ONCE = 4
_Key = tuple[str, str, str | None]


class Visits:
    """Every visit that was asked for; each is paid once."""

    def __init__(self, directory: Path, pool: ThreadPoolExecutor) -> None:
        self._directory = directory
        self._pool = pool
        self._paid: dict[_Key, Future[Visit]] = {}

    def plan(self, door: str, mode: str, server: str | None = None) -> Future[Visit]:
        """Have it paid soon."""
        key = (door, mode, server)
        if key not in self._paid:
            directory = self._directory / "-".join(filter(None, key))
            directory.mkdir()
            self._paid[key] = self._pool.submit(pay, door, mode, directory, server)
        return self._paid[key]


@pytest.fixture(scope="session")
def visits(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visits]:
    """All visits the collected tests need, in their order."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        visits = Visits(tmp_path_factory.mktemp("visits"), pool)
        for item in request.session.items:
            callspec = getattr(item, "callspec", None)
            needed = callspec.params if callspec is not None else {}
            if "door" in needed and "mode" in needed:
                server = needed.get("server")
                visits.plan(needed["door"], needed["mode"], server)
                if "baseline" in getattr(item, "fixturenames", ()):
                    visits.plan(needed["door"], baseline_of(needed["mode"]), server)
        yield visits
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def server() -> str | None:
    """The door's usual server, unless a test says otherwise."""
    return None


@pytest.fixture
def visit(visits: Visits, door: str, mode: str, server: str | None) -> Visit:
    """The visit to the door in the mode."""
    return visits.plan(door, mode, server).result()


@pytest.fixture
def baseline(visits: Visits, door: str, mode: str, server: str | None) -> Visit:
    """The same visit without spantap."""
    return visits.plan(door, baseline_of(mode), server).result()
