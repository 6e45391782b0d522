"""The key that is fetched: from a real server, in the background, and never a value in plain."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spantap
from asgi_client import call, responding, scope
from spantap import configuration, hash_key
from spantap.export.memory import MemorySink
from spantap.hash_key import FetchedKey

LOOPBACK = "8d37cca2670502dd348ca1a1713b34e09a8189104ab7e30e19e954e25d7a89a9"
PATIENCE = 60  # seconds; far more than it takes


class KeyServer:
    """Answers with what it is told to; remembers what it was asked.

    Attributes:
        answers: status, media type and body of each answer to come; the last one stays.
        asked: path and headers of each request.
        url: where it is.
    """

    def __init__(self) -> None:
        server = self
        self.answers = [(200, "application/json", b'{"secret_key": "s3cr3t"}')]
        self.asked: list[tuple[str, dict[str, str]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, {name.lower(): each for name, each in self.headers.items()}))
                status, media_type, body = (
                    server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                )
                self.send_response(status)
                self.send_header("content-type", media_type)
                self.send_header("content-length", str(len(body)))
                self.send_header("location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """The tests look at what was asked."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/api/secret-key"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[KeyServer]:
    running = KeyServer()
    yield running
    if configuration._handle is not None:
        configuration._handle.shutdown(1)
    running.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(hash_key, "_FIRST_WAIT", 0.01)


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


@pytest.mark.setting("hash_key_url", "hash_key_headers")
def test_the_key_is_fetched_with_the_first_request(server: KeyServer) -> None:
    """Nothing is asked at start; with the first request the key is, once, with the headers that were set."""
    memory = MemorySink()
    handle = spantap.configure(
        destinations=[memory],
        tracer_provider=TracerProvider(shutdown_on_exit=False),
        hash_key_url=server.url,
        hash_key_headers="X-API-Key=t0ken-of-ours",
    )
    app = spantap.instrument_app(responding(b"{}"))
    assert server.asked == []

    def address() -> str | None:
        call(app, scope("GET", "/a"))
        assert handle.flush(10)
        return memory.read(limit=1)[0].client.address

    assert address() in ("[REDACTED]", LOOPBACK)
    eventually(lambda: address() == LOOPBACK)
    shown = {each.client.address for each in memory.read()}
    assert shown <= {"[REDACTED]", LOOPBACK}
    ((path, headers),) = server.asked
    assert path == "/api/secret-key"
    assert headers["x-api-key"] == "t0ken-of-ours"
    assert "traceparent" not in headers


@pytest.mark.parametrize(
    "wrong",
    [
        (403, "application/json", b'{"secret_key": "wr0ng-key"}'),
        (302, "application/json", b'{"secret_key": "wr0ng-key"}'),
        (200, "application/json", b'["wr0ng-key"]'),
        (200, "application/json", b'{"secret_key": 7, "x": "wr0ng-key"}'),
        (200, "application/json", b'{"wr0ng-key"'),
        (200, "text/plain", b"wr0ng-key\xff"),
        (200, "text/plain", b" "),
        (200, "text/html", b"wr0ng-key: please sign in"),
        (200, "text/plain", b"<!doctype html><p>wr0ng-key"),
        (200, "text/plain", b"wr0ng-key" * 10_000),
    ],
)
def test_a_failure_is_told_once_and_tried_again(
    server: KeyServer, caplog: pytest.LogCaptureFixture, wrong: tuple[int, str, bytes]
) -> None:
    """Refusals, redirects, answers without a key: one line in the log, no word of the answer, then again."""
    server.answers = [wrong, wrong, wrong, *server.answers]
    fetched = FetchedKey(server.url, [("x-api-key", "t0ken")])

    with caplog.at_level(logging.WARNING, "spantap"):
        fetched.prepare()
        fetched.prepare()
        eventually(lambda: fetched.key)
        eventually(lambda: len(caplog.records) == 2)

    first, last = (record.getMessage() for record in caplog.records)
    assert "cannot fetch the hash key" in first
    assert "has fetched" in last
    assert not [each for each in ("wr0ng", "t0ken", "s3cr3t") if each in first + last + repr(fetched)]
    assert {path for path, _ in server.asked} == {"/api/secret-key"}
    assert len(server.asked) == 4


def test_nobody_there(caplog: pytest.LogCaptureFixture) -> None:
    """A port nobody listens on is a failure like any other."""
    fetched = FetchedKey("http://127.0.0.1:1/key", ())
    with caplog.at_level(logging.WARNING, "spantap"):
        fetched.prepare()
        eventually(lambda: caplog.records)
    fetched.stop()
    assert fetched.key is None


@pytest.mark.parametrize(
    ("media_type", "body", "key_id"),
    [
        ("text/plain", b"s3cr3t\n", None),
        ("application/json", b'{"key": "s3cr3t", "key_id": "k7"}', "k7"),
        ("application/octet-stream", b'{"secret_key": "s3cr3t"}', None),
    ],
)
def test_the_forms_of_an_answer(server: KeyServer, media_type: str, body: bytes, key_id: str | None) -> None:
    """JSON with secret_key or key, and key_id; or the key as text."""
    server.answers = [(200, media_type, body)]
    fetched = FetchedKey(server.url, ())
    fetched.prepare()
    eventually(lambda: fetched.key)
    assert (fetched.key, fetched.key_id) == (b"s3cr3t", key_id)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_each_process_fetches_for_itself(server: KeyServer) -> None:
    """A process that was forked while its parent was still trying does not wait for the parent's thread."""
    server.answers = [(503, "text/plain", b"")]
    fetched = FetchedKey(server.url, ())
    fetched.prepare()
    eventually(lambda: server.asked)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            fetched.prepare()
            deadline = time.monotonic() + PATIENCE
            while fetched.key is None and time.monotonic() < deadline:
                time.sleep(0.01)
            os.write(writing, json.dumps(fetched.key == b"s3cr3t").encode())
        finally:
            os._exit(0)
    fetched.stop()
    server.answers = [(200, "text/plain", b"s3cr3t")]
    os.close(writing)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"true"
    os.close(reading)
