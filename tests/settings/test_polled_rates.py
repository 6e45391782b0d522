"""Rates that are fetched: from a real server, in the background, the last good ones kept."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spantap
from asgi_client import call, responding, scope
from policy.test_rates import seen
from receivers.rates import GOOD, RatesServer
from spantap import configuration, polled_rates
from spantap.export.memory import MemorySink
from spantap.fetching import Source
from spantap.policy.rates import Known
from spantap.policy.sample import Always
from spantap.policy.sample_document import SampleDocument
from spantap.polled_rates import PolledSampler

PATIENCE = 60  # seconds; far more than it takes
TRACE = "69dd649317788b9503b96d91aba018ea"  # not within 0.95


@pytest.fixture
def server() -> Iterator[RatesServer]:
    running = RatesServer()
    yield running
    if configuration._handle is not None:
        configuration._handle.shutdown(1)
    running.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try follows a failure at once."""
    monkeypatch.setattr(polled_rates, "_FIRST_WAIT", 0.01)


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


class Shop:
    """A captured app whose rates are fetched."""

    def __init__(self, server: RatesServer, **settings: Any) -> None:
        self.memory = MemorySink()
        self.handle = spantap.configure(
            destinations=[self.memory],
            tracer_provider=TracerProvider(shutdown_on_exit=False),
            capture_rates_url=server.url,
            **settings,
        )
        self._app = spantap.instrument_app(responding(b"{}"))

    def keeps(self) -> bool:
        """Whether a request whose trace only a rate of 1 keeps is kept."""
        before = len(self.memory.read())
        call(self._app, scope("GET", "/a", [("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")]))
        assert self.handle.flush(10)
        return len(self.memory.read()) > before

    @property
    def sampler(self) -> PolledSampler:
        found = self.handle.tap.sampler
        assert isinstance(found, PolledSampler)
        return found


@pytest.mark.setting("capture_rates_url", "capture_rates_headers")
def test_rates_are_fetched_with_the_first_request(server: RatesServer) -> None:
    """Nothing is asked at start; with the first request the rates are, with the headers that were set."""
    shop = Shop(server, capture_rates_headers="X-API-Key=t0ken-of-ours")
    assert server.asked == []

    assert shop.keeps() in (True, False)
    eventually(lambda: not shop.keeps())

    (asked,) = server.asked
    assert asked["x-api-key"] == "t0ken-of-ours"
    assert "traceparent" not in asked
    told = shop.handle.stats().rates
    assert told is not None
    assert (told.url, told.taken, told.failing) == (server.url, 1, None)


@pytest.mark.setting("capture_rates_interval")
def test_they_are_looked_at_again(server: RatesServer) -> None:
    """After an interval: what is unchanged is not sent again, what has changed is in force."""
    server.answers = [GOOD, GOOD, (200, {"ETag": '"2"'}, b'{"sample_rate": 100}')]
    shop = Shop(server, capture_rates_interval=1)

    eventually(lambda: not shop.keeps())
    eventually(shop.keeps)

    assert server.given[:3] == [200, 304, 200]
    assert [each.get("if-none-match") for each in server.asked[:3]] == [None, '"1"', '"1"']
    assert shop.sampler.taken == 2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ((500, {}, b'{"capture_sample_rate": 1, "wr0ng": 1}'), "HTTP 500"),
        ((302, {}, b'{"capture_sample_rate": 1}'), "HTTP 302"),
        ((200, {}, b"<html>wr0ng"), "not usable: it is not JSON"),
        ((200, {"ETag": '"9"'}, b'{"capture_sample_rate": 1, "capture_rates": "path:/a=wr0ng"}'), "rule 1"),
        ((200, {}, b'{"sample_rate": 100, "user_sample_rate": {"wr0ng": 101}}'), "user_sample_rate: use"),
        ((200, {}, b'{"capture_sample_rate": 1}' + b" " * 1024 * 1024), "more than 1048576 bytes"),
    ],
)
def test_the_last_good_ones_stay(
    server: RatesServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    wrong: Any,
    reason: str,
) -> None:
    """Refusals and documents that cannot be used: one line in the log, requests as before, then again."""
    server.answers = [GOOD, wrong, wrong, wrong, (200, {}, b'{"capture_sample_rate": 1}')]
    shop = Shop(server)
    monkeypatch.setattr(shop.sampler, "_interval", 0.05)

    with caplog.at_level(logging.WARNING, "spantap"):
        shop.keeps()
        eventually(lambda: len(caplog.records) == 2)

    first, last = (record.getMessage() for record in caplog.records)
    assert "cannot take rates" in first
    assert reason in first
    assert "again" in last
    assert "wr0ng" not in first + last
    assert len(server.given) - shop.sampler.taken in (3, 4)  # none of those in between
    assert all(each.get("if-none-match") == '"1"' for each in server.asked[1:5])
    eventually(shop.keeps)


def test_nobody_there(caplog: pytest.LogCaptureFixture) -> None:
    """A port nobody listens on changes nothing for requests; the rates of the settings hold."""
    server = RatesServer()
    server.close()
    shop = Shop(server, capture_sample_rate=0)
    with caplog.at_level(logging.WARNING, "spantap"):
        assert not shop.keeps()
        eventually(lambda: caplog.records)
    assert "Connection refused" in str(shop.handle.stats().rates)
    shop.handle.shutdown(1)


@pytest.mark.parametrize(("headers", "told"), [([("x-key", "t0ken")], 1), ([], 0)])
def test_headers_that_go_unencrypted(caplog: pytest.LogCaptureFixture, headers: Any, told: int) -> None:
    """Rates are no secret, headers may be: it is said that they leave the machine unencrypted."""
    source = Source("http://0.0.0.0:1/", headers, 100)
    sampler = PolledSampler(SampleDocument(1.0, (), Always()), source, 60)
    with caplog.at_level(logging.WARNING, "spantap"):
        for known in Known:
            sampler.judge(seen(), 1, kept=False, known=known)
        eventually(lambda: sampler.failing)
    sampler.stop()

    lines = [each.getMessage() for each in caplog.records if "unencrypted" in each.getMessage()]
    assert len(lines) == told
    assert "t0ken" not in str(lines)


def test_it_is_told_in_the_store(server: RatesServer, tmp_path: Path) -> None:
    """What a process says of itself names the place, what was taken and why the last look failed."""
    server.answers = [(503, {}, b"")]
    shop = Shop(server)
    shop.keeps()
    eventually(lambda: shop.sampler.failing)

    facts = json.loads(json.dumps(shop.handle.report().facts))
    assert facts["rates"] == {"url": server.url, "taken": 0, "failing": "HTTP 503"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_each_process_looks_for_itself(server: RatesServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was forked has the rates of its parent, and goes on to fetch its own."""
    shop = Shop(server)
    shop.keeps()
    eventually(lambda: shop.sampler.taken)
    monkeypatch.setattr(shop.sampler, "_interval", 0.05)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, b"kept" if shop.keeps() else b"left")
            deadline = time.monotonic() + PATIENCE
            while not (kept := shop.keeps()) and time.monotonic() < deadline:
                time.sleep(0.01)
            os.write(writing, b"kept" if kept else b"left")
        finally:
            os._exit(0)
    os.close(writing)
    assert os.read(reading, 4) == b"left"
    server.answers = [(200, {}, b'{"capture_sample_rate": 1}')]
    assert os.read(reading, 4) == b"kept"
    os.waitpid(child, 0)
    os.close(reading)
