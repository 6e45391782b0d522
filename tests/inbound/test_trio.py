"""ASGI apps that run on trio, as hypercorn can run them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
from opentelemetry.sdk.trace import TracerProvider

import spantap
from asgi_client import Message, scope
from spantap.export.memory import MemorySink


async def app(scope: Message, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/forever":
        await trio.sleep_forever()
    await send({"type": "http.response.body", "body": b"done"})


def test_a_capture_on_trio(caplog: pytest.LogCaptureFixture) -> None:
    """What was captured is delivered before the shutdown is; a cancelled request is no failed one."""
    memory = MemorySink()
    provider = TracerProvider(shutdown_on_exit=False)
    handle = spantap.configure(destinations=[memory], tracer_provider=provider)
    captured = spantap.instrument_app(app)
    delivered: list[int] = []

    async def receive() -> Message:
        return {"type": "lifespan.shutdown"}

    async def send(message: Message) -> None:
        if message["type"] == "lifespan.shutdown.complete":
            delivered.append(len(memory.read()))

    async def serve() -> None:
        await captured(scope(path="/"), receive, send)
        with trio.CancelScope(deadline=trio.current_time() + 0.01):
            await captured(scope(path="/forever"), receive, send)
        await captured({"type": "lifespan"}, receive, send)

    try:
        with caplog.at_level(logging.ERROR, "spantap"):
            trio.run(serve)
    finally:
        handle.shutdown(5)

    assert delivered == [2]
    assert caplog.messages == []
    cancelled, done = memory.read()
    assert (done.incomplete, done.error) == (None, None)
    assert (cancelled.incomplete, cancelled.error) == ("cancelled", None)
