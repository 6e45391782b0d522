"""Our SERVER span says what OpenTelemetry's own middleware says, and more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent.parent

# Which conventions contrib follows is read once per process, so each comparison has its own.
SCRIPT = """
import json, sys
from asgi_client import call, responding, scope
from opentelemetry.instrumentation import asgi, wsgi
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
import spantap

def provider():
    exporter, made = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made, exporter

def wsgi_app(environ, start_response):
    start_response("201 Created", [("Content-Type", "application/json")])
    return [b"{}"]

def get(app):
    environ = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/users/7", "QUERY_STRING": "page=2",
        "RAW_URI": "/users/7?page=2", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.9", "REMOTE_PORT": "50000", "HTTP_HOST": "shop.example:8000",
        "HTTP_USER_AGENT": "curl/8", "wsgi.url_scheme": "http",
    }
    body = app(environ, lambda *args: None)
    list(body)
    body.close()

def asgi_get(app):
    call(app, scope("POST", "/users/7", [("host", "shop.example:8000"), ("user-agent", "curl/8")], "page=2"))

def attributes(exporter):
    (span,) = [each for each in exporter.get_finished_spans() if each.kind is SpanKind.SERVER]
    return dict(span.attributes)

theirs, seen_theirs = provider()
ours, seen_ours = provider()
kind = sys.argv[1]
if kind == "asgi":
    asgi_get(asgi.OpenTelemetryMiddleware(responding(b"{}", status=201), tracer_provider=theirs))
else:
    get(wsgi.OpenTelemetryMiddleware(wsgi_app, tracer_provider=theirs))
spantap.configure(tracer_provider=ours, destinations=[])
if kind == "asgi":
    asgi_get(spantap.instrument_app(responding(b"{}", status=201)))
else:
    get(spantap.instrument_app(wsgi_app))
print(json.dumps([attributes(seen_theirs), attributes(seen_ours)]))
"""


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_our_span_holds_what_contribs_holds(kind: str, tmp_path: Path) -> None:
    """Every attribute contrib sets in stable mode is on our span, with the same value."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, kind],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "OTEL_SEMCONV_STABILITY_OPT_IN": "http", "PYTHONPATH": str(TESTS)},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    theirs: dict[str, Any]
    ours: dict[str, Any]
    theirs, ours = json.loads(done.stdout)

    # Contrib leaves the port in the name, where the conventions want the name alone.
    theirs["server.address"] = theirs["server.address"].removesuffix(f":{ours['server.port']}")
    assert {name: ours.get(name) for name in theirs} == theirs
    assert len(theirs) >= 8
