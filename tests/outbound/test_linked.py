"""Two services that are both captured: one asks the other, and their records are linked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import httpx
import pytest
import requests
import uvicorn
from fastapi import FastAPI

import spantap
from outbound.conftest import Sent


@contextmanager
def served(app: Any) -> Iterator[str]:
    """An app, by uvicorn, on a port of its own."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    started = threading.Event()
    startup = server.startup

    async def starting(*args: Any, **kwargs: Any) -> None:
        await startup(*args, **kwargs)
        started.set()

    server.startup = starting  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        assert started.wait(60)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)


def stock() -> Any:
    """The service that is asked."""
    app = FastAPI()

    @app.post("/stock/{item}")
    async def stock(item: str, wanted: dict[str, Any]) -> dict[str, Any]:
        return {"item": item, "left": 3 - wanted["count"], "token": "s3cret-of-the-stock"}

    return spantap.instrument_app(app)


async def by_aiohttp(url: str, wanted: Any) -> Any:
    async with aiohttp.ClientSession() as session, session.post(url, json=wanted) as response:
        return await response.json()


async def by_httpx(url: str, wanted: Any) -> Any:
    async with httpx.AsyncClient() as client:
        return (await client.post(url, json=wanted)).json()


def shop(stock: str, asking: Callable[[str, Any], Any]) -> Any:
    """The service that asks."""
    app = FastAPI()

    @app.post("/orders")
    async def order(wanted: dict[str, Any]) -> dict[str, Any]:
        spantap.current().user("ada").company("acme")
        found = await asking(f"{stock}/stock/tea?api_key=s3cret-key", {"count": wanted["count"]})
        return {"left": found["left"]}

    return spantap.instrument_app(app)


@pytest.mark.parametrize(("client", "asking"), [("aiohttp", by_aiohttp), ("httpx", by_httpx)])
def test_records_of_two_services_are_linked(sent: Sent, client: str, asking: Any) -> None:
    """Inbound, outbound, inbound: one trace, each beneath the one before; the first two of one user."""
    # A provider that is not the global one: else FastAPI's own spans of endpoints stand between.
    sent.start(client, theirs=True)

    with served(stock()) as there, served(shop(there, asking)) as here:
        answer = requests.post(f"{here}/orders", json={"count": 2}, timeout=60)
        assert (answer.status_code, answer.json()) == (200, {"left": 1})

    asked, sending, answering = sent.exchanges
    assert [each.direction for each in (asked, sending, answering)] == ["inbound", "outbound", "inbound"]
    assert asked.request.path == "/orders"
    assert sending.request.path == answering.request.path == "/stock/tea"
    assert asked.trace_id == sending.trace_id == answering.trace_id
    assert sending.parent_span_id == sending.answering_span_id == asked.span_id
    assert answering.parent_span_id == sending.span_id
    assert (asked.identity.user, sending.identity.user, answering.identity.user) == ("ada", "ada", None)
    assert (asked.identity.company, sending.identity.company) == ("acme", "acme")
    assert sending.request.query == answering.request.query == "api_key=REDACTED"
    assert sending.request.body.content == answering.request.body.content
    assert sending.response.body.content == answering.response.body.content
    assert sending.response.body.content == '{"item":"tea","left":1,"token":"[REDACTED]"}'
