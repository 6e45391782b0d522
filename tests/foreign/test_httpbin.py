"""httpbin, the app people try their clients on, answers the same bytes with and without capture."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from foreign import httpbin_requests
from foreign.surroundings import BIN, needs_downloads
from spantap.export.sqlite import SQLiteSink
from spantap.testing.wire import Connection, request

pytestmark = needs_downloads

# What differs between two runs without spantap.
_CHANGES = re.compile(
    rb"(?m)^(?:Date|Last-Modified): [^\r]*\r$"  # the time of day, also as /cache says it
    rb"|\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b"  # /uuid
    rb"|^ETag: [0-9a-f]{32}\r$"  # /cache
    rb'|\b(?:nonce|opaque)="[0-9a-f]+"'  # /digest-auth
    rb"|(?<=\x1f\x8b\x08\x00)[\s\S]{4}"  # the time in the head of a gzip file: /gzip
)
_EVERYTHING = {"OTEL_PYTHON_SPANTAP_INCLUDE_URLS": "*", "OTEL_PYTHON_SPANTAP_EXCLUDE_METHODS": "NONE"}
_SERVERS: dict[str, list[str]] = {"sync": [], "gthread": ["--worker-class=gthread", "--threads=4"]}
_TALK = [
    request("GET", target)
    for target in (
        *("/get", "/stream/3", "/bytes/100?seed=1", "/status/204", "/gzip", "/status/500", "/delete"),
        *(
            "/range/100",
            "/cookies/set?a=1",
            "/stream-bytes/9?seed=1",
            "/nowhere",
            "/redirect/2",
            "/drip?duration=0",
        ),
    )
]


class Served:
    """httpbin under gunicorn; with a store, under `spantap run`."""

    def __init__(self, folder: Path, options: list[str], store: Path | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        run: list[str | Path] = [] if store is None else [BIN / "spantap", "run", "--store", store, "--"]
        command = [*run, BIN / "gunicorn", "--log-level=warning", f"--bind=127.0.0.1:{self.port}", *options]
        self.log = folder / "log"
        environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        # Werkzeug writes the `Allow` header from a set, so its order depends on the hash of a text.
        environ |= {"PYTHONHASHSEED": "0", **_EVERYTHING}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "httpbin:app"], cwd=folder, env=environ, stdout=log, stderr=log
            )

    def __enter__(self) -> Served:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    pytest.fail(self.log.read_text())
                time.sleep(0.05)

    def __exit__(self, *raised: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def answer(self, sent: bytes) -> bytes:
        """All that comes back until the server closes the connection."""
        with Connection(self.port) as connection:
            connection.send(sent)
            return _CHANGES.sub(b"", connection.rest())

    def answers_in_a_row(self, asked: list[bytes]) -> list[bytes]:
        """The answers to several requests on one connection."""
        with Connection(self.port) as connection:
            return [_CHANGES.sub(b"", connection.ask(each).on_the_wire) for each in asked]


def answers(folder: Path, worker: str, asked: list[bytes], store: Path | None = None) -> list[bytes]:
    folder.mkdir()
    with Served(folder, _SERVERS[worker], store) as served:
        answered = [served.answer(each) for each in asked]
        if worker == "gthread":  # it keeps connections open
            answered += served.answers_in_a_row(_TALK)
    assert "spantap failed" not in served.log.read_text()
    return answered


@pytest.fixture(scope="module")
def asked() -> list[bytes]:
    tell = (
        "import json, httpbin;"
        "print(json.dumps([[str(r), sorted(r.methods)] for r in httpbin.app.url_map.iter_rules()]))"
    )
    rules = json.loads(subprocess.check_output([BIN / "python", "-c", tell]))
    assert len(rules) > 50
    return [*httpbin_requests.of_the_map(rules), *httpbin_requests.of_our_own()]


@pytest.mark.parametrize("worker", _SERVERS)
def test_httpbin_answers_the_same_bytes(worker: str, asked: list[bytes], tmp_path: Path) -> None:
    """Every endpoint answers byte for byte what it answers without spantap, and each request is kept once."""
    without = answers(tmp_path / "without", worker, asked)
    captured = answers(tmp_path / "with", worker, asked, tmp_path / "spantap.db")

    questions = [*asked, *_TALK]
    assert len(captured) == len(without)
    assert [
        (question, before[:1000], after[:1000])
        for question, before, after in zip(questions, without, captured, strict=False)
        if before != after
    ] == []
    records = SQLiteSink(tmp_path / "spantap.db").read(limit=10_000)
    assert Counter((each.request.method, each.response.status) for each in records) == Counter(
        (question.split(b" ", 1)[0].decode(), status_of(answer))
        for question, answer in zip(questions, captured, strict=False)
    )
    print(f"httpbin, {worker}: {len(captured)} answers the same, {len(records)} records")


def status_of(answer: bytes) -> int:
    """The final status, not an interim one (100 Continue)."""
    while answer.startswith(b"HTTP/1.1 1"):
        answer = answer.partition(b"\r\n\r\n")[2]
    return int(answer.split(b" ", 2)[1])
