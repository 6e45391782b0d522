"""What `stats()` says, as metrics of a real meter provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from receivers.http import Answer, HTTPReceiver, free_port

TESTS = Path(__file__).parent.parent

SCRIPT = """
import json, sys, threading
sys.path.insert(0, sys.argv[1])
import spantap
from asgi_client import call, responding, scope
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from spantap.export.memory import MemorySink

handle = spantap.configure(destinations=[MemorySink()], queue_max_items=50, exclude_urls="/no")
app = spantap.instrument_app(responding(b"{}"))
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))  # after us: an app's own set-up

def collected():
    data = reader.get_metrics_data()
    found = {}
    for scope_metrics in data.resource_metrics[0].scope_metrics if data else ():
        if scope_metrics.scope.name == "spantap":
            for metric in scope_metrics.metrics:
                found[metric.name] = [[dict(p.attributes), p.value] for p in metric.data.data_points]
    return found

def requests():
    for number in range(100):
        call(app, scope("GET", "/a"))

threads = [threading.Thread(target=requests) for _ in range(4)]
for each in threads:
    each.start()
told = [collected() for _ in range(30)]
for each in threads:
    each.join()
call(app, scope("GET", "/no"))
handle.flush(3)
told.append(collected())
stats = handle.stats()
handle.shutdown(1)
told.append(collected())
destinations = {
    name: [s.captured, s.exported, s.queued, dict(s.dropped)] for name, s in stats.destinations.items()
}
print(json.dumps([told, [stats.captured, dict(stats.not_kept), destinations]]))
"""


def told(**changes: str) -> tuple[list[dict[str, Any]], Any]:
    """What was collected, and what `stats()` said in the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(TESTS)],
        env={**kept, **changes},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    collected, stats = json.loads(done.stdout)
    return collected, stats


def points(collected: dict[str, Any], name: str, destination: str) -> dict[str | None, int]:
    """By ``error.type``."""
    component = f"spantap_queue/{destination}"
    return {
        attributes.get("error.type"): value
        for attributes, value in collected[name]
        if attributes["otel.component.name"] == component
    }


def test_the_counts_as_metrics() -> None:
    """Each collection adds up for each destination, under load too; in the end it is what `stats()` says."""
    with HTTPReceiver() as receiver:
        receiver.decide = lambda request: Answer(404)
        collections, (captured, not_kept, destinations) = told(
            OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED="true",
            OTEL_PYTHON_SPANTAP_HTTP_ENDPOINT=receiver.url,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}",
        )

    memory = next(name for name in destinations if name.startswith("memory"))
    *during, last, after_shutdown = collections
    names = (memory, "http", "otlp")
    assert sorted(destinations) == sorted(names)
    assert not any(after_shutdown.values())
    for each in (*during, last):
        for name in names:
            exported = points(each, "otel.sdk.exporter.span.exported", name)
            processed = points(each, "otel.sdk.processor.span.processed", name)
            (queued,) = points(each, "otel.sdk.processor.span.queue.size", name).values()
            (offered,) = points(each, "spantap.span.captured", name).values()
            by_queue = sum(count for reason, count in processed.items() if reason)
            assert offered == sum(exported.values()) + by_queue + queued
            assert processed[None] == sum(exported.values())

    assert [last["spantap.exchange.captured"], last["spantap.exchange.dropped"]] == [
        [[{}, 400]],
        [[{"spantap.reason": "not_selected"}, 1]],
    ]
    assert (captured, not_kept) == (400, {"not_selected": 1})
    for name, (offered, exported, queued, dropped) in destinations.items():
        assert points(last, "spantap.span.captured", name) == {None: offered}
        counted = points(last, "otel.sdk.exporter.span.exported", name)
        counted.update(points(last, "otel.sdk.processor.span.processed", name))
        counted.pop(None)
        assert counted == dropped
        assert points(last, "otel.sdk.exporter.span.exported", name)[None] == exported
        assert points(last, "otel.sdk.processor.span.queue.size", name) == {None: queued}
        assert points(last, "otel.sdk.processor.span.queue.capacity", name) == {None: 50}
    assert destinations["http"][3]["refused"] > 0
    assert destinations["otlp"][3]["queue_full"] > 0
    (_, limit), *_ = last["spantap.queue.memory.limit"]
    assert limit == 64 * 1024 * 1024


def test_nobody_asked() -> None:
    """Without the variable there is not one instrument of ours."""
    collections, _ = told()

    assert not any(collections)
