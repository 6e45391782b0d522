"""Sends every case and every call with every client, captured; run as a program.

    sending.py SCENE FOLDER

Scenes: ``sent`` (the tracer provider is spantap's), ``sent-contrib`` (the same, and OpenTelemetry's own
instrumentations of the clients), ``sent-theirs`` (the app has a provider and exporters of its own).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from opentelemetry import trace

import spantap
from contracts.outbound.adapter import Ask, Client
from contracts.outbound.player import ADAPTERS, contrib
from leaks.cases_of_calls import CALLS, Call, answered
from leaks.planting import CASES, Asked, Plant
from leaks.serve import _log_to, _provider
from spantap.clients import CLIENTS
from spantap.export.memory import MemorySink

for name in ("apps", "bodies", "shapes", "heads", "peers"):
    importlib.import_module(f"leaks.cases_of_{name}")

DOORS: Final = tuple(name for name, adapter in ADAPTERS.items() if adapter.door in CLIENTS)
# The client's own to write; and with them nothing a client sends is a whole request.
_FRAMING: Final = (
    "connection",
    "upgrade",
    "transfer-encoding",
    "content-length",
    "expect",
    "host",
    "trailer",
)
_THEIR_LOGS: Final = ("requests", "urllib3", "httpx", "httpcore", "aiohttp", "asyncio", "hpack")


def cases() -> Iterator[str]:
    """The names of the cases a client can send: those in which the app does nothing but answer."""
    for name, case in CASES.items():
        asked = case(Plant("", ""))
        if asked.act is None and asked.whole and not asked.target.startswith("http"):
            yield name


class Answering:
    """A server that says what it is told to; one connection at a time, closed behind each answer.

    Attributes:
        port: where it listens.
        answer: what it says next.
    """

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            connection.settimeout(20)
            with connection, contextlib.suppress(OSError):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := connection.recv(65536)):
                return
            head += data
        head, _, body = head.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
        chunked = re.search(rb"(?i)\ntransfer-encoding: *chunked", head)
        while (length and len(body) < int(length[1])) or (chunked and not body.endswith(b"0\r\n\r\n")):
            if not (data := connection.recv(65536)):
                return
            body += data
        answer, self.answer = self.answer, answered(b"arrived")
        connection.sendall(answer)


class Sender:
    """Sends what is planted with one client."""

    def __init__(self, kind: type[Client], plant: Plant, server: Answering) -> None:
        self._kind = kind
        self._plant = plant
        self._server = server

    def case(self, name: str) -> None:
        """Send a request as a client of ours would, and answer it as the app would."""
        asked = CASES[name](self._plant)
        target = asked.target if asked.target.startswith("/") else f"/{name}{asked.target}"
        headers = {field: value for field, value in asked.headers if field.lower() not in _FRAMING}
        headers["X-Case"] = name
        body = asked.body.partition(b"\0trailer\0")[0]
        self._send(
            Ask(asked.method, self._url(target), headers=headers, body=body or None, redirects=False),
            _reply(asked),
        )

    def call(self, name: str) -> None:
        """Make a call of `leaks.cases_of_calls`."""
        call = CALLS[name](self._plant)
        url = (
            f"http://{call.userinfo}127.0.0.1:{9 if call.refused else self._server.port}/{name}{call.target}"
        )
        if call.proxy is not None:
            url = f"http://shop.test/{name}{call.target}"
        ask = Ask(
            call.method,
            url,
            headers={**dict(call.headers), "X-Case": name},
            redirects=call.redirects,
            stream=call.piecewise,
        )
        self._send(ask, call.answer, call)

    def _send(self, ask: Ask, answer: bytes, call: Call | None = None) -> None:
        self._server.answer = answer
        proxy = None
        if call is not None and call.proxy is not None:
            proxy = f"http://{call.proxy}127.0.0.1:{self._server.port}"
        client = self._kind(None, proxy)
        if call is not None and call.body is not None:
            body = call.body if isinstance(call.body, bytes) else client.generator(call.body())
            ask = replace(ask, body=body)
        if client.name == "urllib3":
            ask = replace(ask, options={"retries": 3 if ask.redirects else False})
        try:
            with contextlib.suppress(Exception):
                reply = client.send(ask)
                reply.piece(1000) if ask.stream else reply.read()
                reply.close()
        finally:
            client.close()

    def _url(self, target: str) -> str:
        return f"http://127.0.0.1:{self._server.port}{target}"


def _reply(asked: Asked) -> bytes:
    reply = asked.reply
    fields = [f"{name}: {value}" for name, value in reply.headers]
    if reply.content_type:
        fields.append(f"Content-Type: {reply.content_type}")
    return answered(b"".join(reply.body), *fields, status=f"{reply.status} X")


def main(scene: str, folder: Path) -> None:
    """Send everything, then write down what `leaks.serve` would."""
    _log_to(folder / "log", _THEIR_LOGS)
    if scene == "sent-theirs":
        trace.set_tracer_provider(_provider(folder))
    memory = MemorySink(10_000)
    handle = spantap.configure(
        sqlite_path=folder / "spantap.db",
        jsonl_path=folder / "spantap.jsonl",
        destinations=[memory],
        queue_max_bytes=64 << 20,
    )
    for client in {ADAPTERS[door].door for door in DOORS} if scene == "sent-contrib" else ():
        contrib(client)
    spantap.instrument_clients()
    server = Answering()
    for door in DOORS:
        sender = Sender(ADAPTERS[door], Plant(door, scene), server)
        for name in cases():
            sender.case(name)
        for name in CALLS:
            sender.call(name)
    assert handle.flush(60)
    provider: Any = trace.get_tracer_provider()
    provider.force_flush()
    (folder / "memory").write_text("\n".join(map(repr, memory.read(limit=10_000))))
    (folder / "stats").write_text(repr(handle.stats()))
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
