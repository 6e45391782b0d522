"""A client's scenes, played with and without capture in processes of their own, and what differs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from certificates import Authority
from contracts.outbound.player import ADAPTERS, MODES
from contracts.outbound.scene import Scene

_TRIES: Final = 8  # what a client or the network does by chance it does without capture, too
_TESTS: Final = Path(__file__).parents[2]


@dataclass
class Column:
    """What came of the scenes with one client.

    Attributes:
        differences: scene -> the first thing that is not the same.
        plain, captured: scene -> what was seen without and with capture.
        seconds: scene -> how long it took.
        log: what the captured process wrote to its standard error.
    """

    differences: dict[str, str] = field(default_factory=dict)
    plain: dict[str, dict[str, Any]] = field(default_factory=dict)
    captured: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


def wanted(adapter: str, *, heavy: bool = False) -> list[Scene]:
    """The scenes a client can play: the heavy ones, or the others."""
    return [each for each in Scene.all.values() if each.heavy == heavy and each.suits(ADAPTERS[adapter])]


def column(adapter: str, mode: str, scenes: Sequence[Scene], folder: Path) -> Column:
    """Play scenes with a client and compare."""
    Authority(folder).issue("127.0.0.1")
    found = Column()
    with (
        _player(adapter, MODES[mode], folder) as plain,
        _player(adapter, mode, folder) as captured,
        ThreadPoolExecutor(2) as pool,
    ):
        for scene in scenes:
            without: list[dict[str, Any]] = []
            began = time.monotonic()
            for _ in range(_TRIES):
                both = list(pool.map(lambda each, scene=scene: _played(each, scene), (plain, captured)))
                without.append(both[0])
                found.plain[scene.name], found.captured[scene.name] = both
                differences = [_difference(scene, each, both[1]) for each in without]
                if None in differences:
                    break
            else:
                found.differences[scene.name] = str(differences[-1])
            found.seconds[scene.name] = time.monotonic() - began
    found.log = (folder / f"{mode}.log").read_text(errors="replace")
    return found


@contextlib.contextmanager
def _player(adapter: str, mode: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environment |= {"PYTHONHASHSEED": "0", "NO_PROXY": ""}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_TESTS), os.environ.get("PYTHONPATH"))))
    if mode == "unsampled":
        environment |= {
            "OTEL_TRACES_SAMPLER": "always_off",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        }
    with (folder / f"{mode}.log").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-m", "contracts.outbound.player", adapter, mode, str(folder)],
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _played(process: subprocess.Popen[str], scene: Scene) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{scene.name}\n")
    process.stdin.flush()
    line = process.stdout.readline()
    assert line, f"the player has died in {scene.name}"
    seen: dict[str, Any] = json.loads(line)
    return seen


def _difference(scene: Scene, plain: dict[str, Any], captured: dict[str, Any]) -> str | None:
    """The first thing that is not the same; None when all is."""
    if found := _first("the app saw", plain["client"], captured["client"]):
        return found
    if scene.broken:
        return None
    if scene.crowd:
        mine, theirs = (
            sorted(note for each in seen["server"] for note in each) for seen in (plain, captured)
        )
        return _first("the server saw", mine, theirs)
    if plain["complaints"] != captured["complaints"]:
        return f"complaints: {plain['complaints']} / {captured['complaints']}"
    if scene.chance:
        mine, theirs = ([_without_ends(each) for each in seen["server"]] for seen in (plain, captured))
        mine, theirs = sorted(mine), sorted(theirs)
    else:
        mine, theirs = plain["server"], captured["server"]
    if len(mine) != len(theirs):
        return f"connections: {len(mine)} / {len(theirs)}"
    for one, other in zip(mine, theirs, strict=True):
        if found := _first("the server saw", one, other):
            return found
    return None


def _without_ends(notes: list[str]) -> list[str]:
    return [note for note in notes if note not in ("the client has left", "the client says nothing")]


def _first(what: str, mine: list[str], theirs: list[str]) -> str | None:
    for one, other in zip(mine, theirs, strict=False):
        if one != other:
            lines = zip(one.splitlines(), other.splitlines(), strict=False)
            differing = next(((a, b) for a, b in lines if a != b), (one, other))
            return f"{what}: {differing[0][:400]} / {differing[1][:400]}"
    if len(mine) != len(theirs):
        longer = max(mine, theirs, key=len)
        return f"{what} {len(mine)} / {len(theirs)} things; {longer[min(len(mine), len(theirs))][:400]}"
    return None
