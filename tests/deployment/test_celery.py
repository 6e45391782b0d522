"""A Celery worker whose tasks ask other servers: as many records as requests, in each pool, by each way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deployment.apps import SECRETS
from deployment.cells import WAYS
from deployment.environments import Environments
from deployment.placed import switched_on
from deployment.serving import defaults, running, stopped, wait_for
from receivers.http import HTTPReceiver
from receivers.otlp_http import OTLPReceiver
from spantap.export.sqlite import SQLiteSink

CLIENT = 3
TASKS = 10
POOLS = ("prefork", "threads", "solo")
APP = f"""
import json, os, urllib.request
from celery import Celery

app = Celery("shop", broker="filesystem://")
app.conf.broker_transport_options = {{"data_folder_in": "broker", "data_folder_out": "broker"}}
app.conf.task_ignore_result = True

@app.task(name="charge")
def charge(number):
    body = json.dumps({{"n": number, "password": "{SECRETS["body"]}"}}).encode()
    request = urllib.request.Request(
        os.environ["SHOP"] + f"/charges/{{number}}?api_key={SECRETS["query"]}",
        body,
        {{"Content-Type": "application/json"}},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()
"""
IN_CODE = """
import spantap
spantap.instrument_clients()
"""
SENDING = f"from app import app; [app.send_task('charge', (number,)) for number in range({TASKS})]"


# Pool, way, and whether the gate runs it.
CELLS = [
    (pool, way, (row + column) % 2 == 0) for row, pool in enumerate(POOLS) for column, way in enumerate(WAYS)
]


@pytest.mark.parametrize(
    ("pool", "way"),
    [pytest.param(*which, marks=() if half else pytest.mark.conformance) for *which, half in CELLS],
)
def test_captured(pool: str, way: str, environments: Environments, tmp_path: Path) -> None:
    """Told to stop with the last task, it loses none: one row and one CLIENT span for each request."""
    (tmp_path / "broker").mkdir()
    (tmp_path / "app.py").write_text(APP + (IN_CODE if way == "in code" else ""))
    placed = switched_on(
        way,
        ["celery", "--app=app", "worker", f"--pool={pool}", "--concurrency=2", "--loglevel=WARNING"],
        environments,
    )
    with OTLPReceiver() as collector, HTTPReceiver() as shop:
        environ = {
            **defaults(placed.binaries),
            **placed.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "SHOP": shop.url,
        }
        for name in placed.without:
            del environ[name]
        subprocess.run(
            [placed.binaries / "python", "-c", SENDING], cwd=tmp_path, timeout=120, check=True, env=plain()
        )
        with running(tmp_path, [*placed.under, *placed.command], environ) as worker:
            wait_for(lambda: len(shop.requests) >= TASKS, lambda: (tmp_path / "log").read_text(), 120)
            stopped(worker, signal.SIGTERM)
        spans = [span for span in collector.spans() if span.kind == CLIENT]
        asked = [each.path for each in shop.requests]
    log = (tmp_path / "log").read_text()

    assert len(asked) == TASKS
    stored = SQLiteSink(tmp_path / "spantap.db").read()
    assert sorted(each.request.path for each in stored) == sorted(urlsplit(path).path for path in asked), log
    for exchange in stored:
        shown = {"n": int(exchange.request.path.removeprefix("/charges/")), "password": "[REDACTED]"}
        assert json.loads(str(exchange.request.body.content)) == shown
        assert exchange.direction == "outbound"
    assert sorted(span.span_id.hex() for span in spans) == sorted(each.span_id for each in stored)
    assert "spantap failed" not in log
    assert SECRETS["body"] not in log + repr(stored) + repr(spans)


def plain() -> dict[str, str]:
    """Our environment without anything of OpenTelemetry."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON"))}
