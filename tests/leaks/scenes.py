"""Plays every case through every door in one process, and gathers everything that came out of it."""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from leaks.client import send
from leaks.doors import DOORS
from leaks.planting import CASES, Plant
from leaks.searching import Pieces, unwrapped
from receivers.otlp_grpc import receiving
from receivers.otlp_http import OTLPReceiver
from spantap.cli import view
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange

for _name in ("apps", "bodies", "shapes", "heads", "peers"):
    importlib.import_module(f"leaks.cases_of_{_name}")

TESTS: Final = Path(__file__).parent.parent
SCENES: Final = ("ours", "contrib", "theirs")
# Secrets where OpenTelemetry and spantap are told of them, and nowhere else.
RESOURCE: Final = "resource attribute"
ENDPOINT: Final = "collector: userinfo"
HEADERS: Final = "collector: header"
THEIRS: Final = ("their exporter", "their console", "their start")


@dataclass
class Played:
    """What came of a scene.

    Attributes:
        plants: what was planted, by door.
        places: everything that came out, by destination.
        exchanges: what the store has.
        answers: what the client received, by door and case.
    """

    plants: dict[str, Plant]
    places: dict[str, bytes]
    exchanges: list[Exchange]
    answers: dict[tuple[str, str], bytes]

    @cached_property
    def found(self) -> dict[str, set[tuple[str, str]]]:
        """By destination, secret and door of everything that leaked."""
        pieces = Pieces(self.plants.values())
        left = {name: pieces.found_in(content) for name, content in self.places.items()}
        of_the_app = {
            (secret.name, plant.door)
            for plant in self.plants.values()
            for secret in plant.secrets.values()
            if secret.on_a_span or secret.name == RESOURCE
        }
        return {name: found - of_the_app if name in THEIRS else found for name, found in left.items()}


def play(scene: str, folder: Path) -> Played:
    """Serve, ask, stop, gather."""
    environment = Plant("environment", scene)
    with _collector(scene) as (url, delivered):
        with (
            _serving(scene, folder, _variables(scene, url, environment)) as ports,
            ThreadPoolExecutor(len(DOORS)) as pool,
        ):
            asked = dict(
                zip(DOORS, pool.map(lambda door: _ask(door, scene, ports[door]), DOORS), strict=True)
            )
        collected = delivered()
    plants = {"environment": environment, **{door: plant for door, (plant, _) in asked.items()}}
    answers = {(door, name): answer for door, (_, all_of) in asked.items() for name, answer in all_of.items()}
    exchanges = SQLiteSink(folder / "spantap.db").read(limit=10_000)
    return Played(plants, _places(scene, folder, collected, exchanges, environment), exchanges, answers)


@contextmanager
def _collector(scene: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    if scene == "ours":
        with OTLPReceiver() as over_http:
            yield over_http.url, lambda: b"\n".join(over_http.bodies)
    else:
        with receiving() as over_grpc:
            yield over_grpc.url, lambda: b"\n".join(each.SerializeToString() for each in over_grpc.requests)


def _variables(scene: str, url: str, plant: Plant) -> dict[str, str]:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_RESOURCE_ATTRIBUTES": f"service.name=shop,deploy.api_key={plant.secret(RESOURCE)}",
        "OTEL_PYTHON_SPANTAP_DEBUG": "true",
    }
    if scene == "theirs":
        return variables
    variables["OTEL_TRACES_EXPORTER"] = "otlp,console"
    variables["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{plant.secret(HEADERS)}"
    if scene == "contrib":
        return {
            **variables,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup",
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": ".*",
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE": ".*",
        }
    return {**variables, "OTEL_EXPORTER_OTLP_ENDPOINT": url.replace("//", f"//ann:{plant.secret(ENDPOINT)}@")}


@contextmanager
def _serving(scene: str, folder: Path, variables: Mapping[str, str]) -> Iterator[dict[str, int]]:
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "leaks.serve", scene, str(folder)],
            cwd=folder,
            env={**_clean_environment(), "PYTHONPATH": str(TESTS), **variables},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        assert process.stderr
        try:
            ports = None
            while ports is None:
                line = process.stderr.readline()
                assert line, (folder / "stderr").read_text()
                if line.startswith(b'{"fastapi"'):
                    ports = json.loads(line)
                else:
                    err.write(line)
                    err.flush()
            with ThreadPoolExecutor(1) as pool:
                rest = pool.submit(process.stderr.read)
                yield ports
                process.stdin.close()
                err.write(rest.result())
            assert process.wait(60) == 0, "the server has failed"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


def _ask(door: str, scene: str, port: int) -> tuple[Plant, dict[str, bytes]]:
    plant, answers = Plant(door, scene), {}
    for name, case in CASES.items():
        answers[name] = send(port, name, case(plant))
    return plant, answers


def _places(
    scene: str, folder: Path, collected: bytes, exchanges: list[Exchange], plant: Plant
) -> dict[str, bytes]:
    read = {path.name: path.read_bytes() for path in folder.iterdir()}
    places = {
        "SQLite": b"".join(content for name, content in read.items() if name.startswith("spantap.db")),
        "JSONL": read["spantap.jsonl"],
        "memory": read["memory"],
        "log": read["log"],
        "stderr": read["stderr"],
    }
    if scene == "theirs":
        places |= dict(zip(THEIRS, (collected, read["stdout"], read["starts"]), strict=True))
        return places
    places |= {"OTLP": collected, "console": read["stdout"]}
    if scene != "ours":
        return places  # the commands read the store, which is the same
    places["screens"] = _screens(exchanges)
    variables = _variables(scene, "http://127.0.0.1:9", plant)
    commands = (
        ("tail", "spantap.db", "-n", "all", "--no-follow"),
        ("tail", "spantap.jsonl", "-n", "all", "--no-follow", "--full"),
        ("tail", "spantap.db", "-n", "all", "--no-follow", "--json"),
        ("doctor", "spantap.db"),
        ("doctor", "spantap.db", "--json"),
    )
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda words: _said(folder, words, variables), commands))
    places["tail"], places["doctor"] = b"".join(said[:3]), b"".join(said[3:])
    return places


def _said(folder: Path, words: tuple[str, ...], variables: Mapping[str, str]) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "spantap.cli.main", *words],
        cwd=folder,
        env={**_clean_environment(), **variables},
        capture_output=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert len(said) > 200, said
    return said + unwrapped(said)


def _screens(exchanges: list[Exchange]) -> bytes:
    """The tables of `spantap demo`; exchanges in full are those of `tail --full`."""
    console = view.new_console()
    console.file = io.StringIO()
    for each in (view.exchange_table(exchanges), view.route_table(exchanges)):
        console.print(each)
    shown = console.file.getvalue().encode()
    return shown + unwrapped(shown)
