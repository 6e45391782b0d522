"""Receivers that share no code with the collector: Elastic's mock server (Node.js) and Rotel (Rust)."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from collector.build import cache
from collector.running import own_port
from deployment.apps import APPS, SECRETS
from deployment.serving import BOTH, INSTRUMENT, UVICORN, defaults, listens, post, served, wait_for
from receivers.otlp_http import OTLPReceiver, attributes, server_spans
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange

pytestmark = pytest.mark.matrix

REQUESTS: Final = 20
MOCK: Final = "@elastic/mockotlpserver@0.10.0"
ROTEL: Final = "rotel==0.0.1a15"
PROTOCOLS: Final = ("grpc", "http/protobuf")


def captured(folder: Path, endpoint: str, protocol: str) -> list[Exchange]:
    """What the store of an app has that sent to the endpoint, too, and was stopped."""
    (folder / "app.py").write_text(APPS["fastapi"])
    environ = {
        **defaults(),
        **BOTH,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
    }
    with served(folder, [INSTRUMENT, *UVICORN, "app:app"], environ) as (server, port):
        assert {post(port, number).status for number in range(REQUESTS)} == {200}
        server.terminate()
        server.wait(60)
    stored = SQLiteSink(folder / "spantap.db").read()
    assert len(stored) == REQUESTS
    return stored


def with_bodies(exchanges: list[Exchange]) -> dict[str, tuple[object, object]]:
    return {each.span_id: (each.request.body.content, each.response.body.content) for each in exchanges}


def of_attributes(values: dict[str, Any]) -> tuple[object, object]:
    return values["http.request.body.content"], values["http.response.body.content"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_in_node(tmp_path: Path, protocol: str) -> None:
    """Elastic's mock server gets every exchange once, with the bodies of the store, and no secret."""
    modules = kept("mockotlpserver-0.10.0", "npm", install_mock) / "node_modules"
    node = shutil.which("node") or missing("node")
    script = Path(__file__).parent / "mock_receiver.cjs"
    output = tmp_path / "received"
    with (
        output.open("wb") as writing,
        started([node, str(script)], writing, {"NODE_PATH": str(modules)}),
    ):
        wait_for(lambda: b"\n" in output.read_bytes(), output.read_text)
        where = json.loads(output.read_text().splitlines()[0])
        stored = captured(tmp_path, where["grpc" if protocol == "grpc" else "http"], protocol)
        wait_for(lambda: len(server_lines(output)) >= REQUESTS, output.read_text)

    spans = server_lines(output)
    assert len(spans) == REQUESTS
    assert {each["spanId"]: of_attributes(each["attributes"]) for each in spans} == with_bodies(stored)
    assert not [name for name, secret in SECRETS.items() if secret in output.read_text()]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_collector_in_rust(tmp_path: Path, protocol: str) -> None:
    """Rotel takes every exchange and hands it on, once, with the bodies of the store."""
    rotel = kept("rotel-0.0.1a15", "pip", install_rotel) / "rotel" / "rotel-agent"
    ports = {"grpc": own_port(), "http/protobuf": own_port()}
    command = [
        str(rotel),
        "start",
        f"--otlp-grpc-endpoint=127.0.0.1:{ports['grpc']}",
        f"--otlp-http-endpoint=127.0.0.1:{ports['http/protobuf']}",
        "--exporter=otlp",
        "--otlp-exporter-protocol=http",
    ]
    log = tmp_path / "rotel.log"
    with OTLPReceiver() as receiver, log.open("wb") as writing:
        to = [f"--otlp-exporter-endpoint={receiver.url}", f"--pid-file={tmp_path / 'pid'}"]
        with started([*command, *to], writing):
            wait_for(lambda: all(map(listens, ports.values())), log.read_text)
            stored = captured(tmp_path, f"http://127.0.0.1:{ports[protocol]}", protocol)
            wait_for(lambda: len(server_spans(receiver.spans())) >= REQUESTS, log.read_text)
        spans = server_spans(receiver.spans())

    assert len(spans) == REQUESTS
    assert {each.span_id.hex(): of_attributes(attributes(each)) for each in spans} == with_bodies(stored)


def server_lines(output: Path) -> list[dict[str, Any]]:
    """What the mock server has printed of spans of kind SERVER, so far."""
    lines = output.read_text().splitlines(keepends=True)
    spans: list[dict[str, Any]] = [json.loads(line) for line in lines if line.endswith("\n")]
    return [each for each in spans if each.get("kind") in (2, "SPAN_KIND_SERVER")]


@contextmanager
def started(command: list[str], output: Any, environ: dict[str, str] | None = None) -> Iterator[None]:
    """A process that runs as long as it is wanted."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def kept(name: str, program: str, install: Callable[[Path], list[str]]) -> Path:
    """A folder outside the clone with something installed in it, once."""
    folder = cache() / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            done = subprocess.run(
                install(folder), cwd=folder, capture_output=True, text=True, timeout=600, check=False
            )
            if done.returncode != 0:
                missing(f"what {program} installs ({done.stderr[-500:]})")
            (folder / "done").touch()
    return folder


def install_mock(folder: Path) -> list[str]:
    npm = shutil.which("npm") or missing("npm")
    return [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"--prefix={folder}", MOCK]


def install_rotel(folder: Path) -> list[str]:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return [*pip, "--no-deps", "--only-binary=:all:", f"--target={folder}", ROTEL]


def missing(what: str) -> str:
    """Skip the test; in the gate it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"there is no {what}")
    pytest.skip(f"there is no {what}")
