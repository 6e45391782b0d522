"""Facts of the app's own that it gives in its answers, and its numbers as metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, jsonify
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

import spantap
from asgi_client import call, scope
from over_the_wire import ask, served
from spantap.export.memory import MemorySink

TESTS = Path(__file__).parent.parent
FACTS = {"items": 3, "plan": "gold", "password": "p4ssw0rd"}
SHARED = {"ok": True, "_facts": FACTS}


@pytest.fixture
def memory() -> Iterator[MemorySink]:
    yield MemorySink()
    if (handle := running()) is not None:
        handle.shutdown(1)


def running() -> spantap.Handle | None:
    from spantap import configuration

    return configuration._handle


def configured(memory: MemorySink, **settings: Any) -> spantap.Handle:
    provider = TracerProvider(shutdown_on_exit=False)
    return spantap.configure(destinations=[memory], tracer_provider=provider, **settings)


def flask() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/dict", "dict", lambda: dict(SHARED))
    app.add_url_rule("/shared", "shared", lambda: SHARED)
    app.add_url_rule("/tuple", "tuple", lambda: (dict(SHARED), 201, {"X-A": "b"}))
    app.add_url_rule("/bytes", "bytes", lambda: jsonify(SHARED))
    app.add_url_rule("/odd", "odd", lambda: {"ok": True, "_facts": 7})
    app.add_url_rule("/text", "text", lambda: "_facts")
    return app


@pytest.mark.setting("data_key")
def test_a_key_of_flasks_answers(memory: MemorySink) -> None:
    """What a view gives under the key is in the record and not in the answer; all else is as it was."""
    handle = configured(memory, data_key="_facts", exclude_urls=["/tuple"])
    app = spantap.instrument_app(flask())
    with served(flask(), wsgi=True) as port:
        plain = {path: ask(port, path) for path in ("/bytes", "/text")}
    with served(app, wsgi=True) as port:
        for path in ("/dict", "/shared", "/shared", "/tuple", "/odd"):
            answer = ask(port, path)
            assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"ok": True}
        for path, answer in plain.items():
            assert ask(port, path) == answer
    handle.tap.wait_for_open(30)
    assert handle.flush(30)

    records = memory.read()[::-1]
    assert [each.metrics for each in records] == [{"items": 3.0}] * 3 + [{}] * 3
    assert records[0].metadata == {"plan": "gold", "password": "[REDACTED]"}
    assert SHARED["_facts"] is FACTS

    assert b"_facts" in (spantap.uninstrument_app(app).test_client().get("/dict").data)


def test_without_the_key_answers_are_left_alone(memory: MemorySink) -> None:
    """Nothing is taken out unless a key is set."""
    configured(memory)
    app = spantap.instrument_app(flask())

    assert app.test_client().get("/dict").json == SHARED
    assert "make_response" not in app.__dict__


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_a_key_of_rest_frameworks_answers(kind: str, tmp_path: Path) -> None:
    """Django REST framework renders what is left: the client gets what it would get without the facts."""
    done = subprocess.run(
        [sys.executable, TESTS / "inbound" / "django_rest.py", kind],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert told["captured"] == told["without_facts"]
    assert told["metrics"] == [{"items": 3.0}, {"items": 3.0}]
    assert told["metadata"][0] == {"plan": "gold", "password": "[REDACTED]"}


@pytest.mark.setting("record_metrics")
def test_numbers_as_metrics(memory: MemorySink, monkeypatch: pytest.MonkeyPatch) -> None:
    """RECORD_METRICS records the app's numbers as histograms; off, there are none; odd names are left out."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        spantap.current().metric("items", 3).metric("no name", 1).metric("less", -1)
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    for settings in ({}, {"record_metrics": True}):
        handle = configured(memory, **settings)
        call(spantap.instrument_app(app), scope("GET", "/a"))
        assert handle.shutdown(5)
        if not settings:
            assert reader.get_metrics_data() is None

    data = reader.get_metrics_data()
    assert data is not None
    (found,) = data.resource_metrics[0].scope_metrics
    points: Any = {each.name: each.data.data_points for each in found.metrics if each.data.data_points}
    assert list(points) == ["items"]
    assert (points["items"][0].count, points["items"][0].sum) == (1, 3.0)
    assert points["items"][0].attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 201,
    }
    provider.shutdown()
