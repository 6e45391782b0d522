"""Serves all doors in one process until its standard input ends; run as a program.

    serve.py SCENE FOLDER

Scenes: ``ours`` (the tracer provider is spantap's), ``contrib`` (the same, and OpenTelemetry's own
instrumentations around every app), ``theirs`` (the app has a provider and exporters of its own).
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

import spantap
from leaks.doors import ASGI, BUILDERS, DOORS, Shop
from leaks.planting import Plant
from spantap.export.memory import MemorySink

for name in ("apps", "bodies", "shapes", "heads", "peers"):
    importlib.import_module(f"leaks.cases_of_{name}")

_SERVERS = ("uvicorn", "waitress", "django", "shop", "asyncio", "leaks", "websockets")


def main(scene: str, folder: Path) -> None:
    _log_to(folder / "log")
    if scene == "theirs":
        trace.set_tracer_provider(_provider(folder))
    if scene == "contrib":
        _instrument_django()
    memory = MemorySink(10_000)
    handle = spantap.configure(
        sqlite_path=folder / "spantap.db",
        jsonl_path=folder / "spantap.jsonl",
        destinations=[memory],
        queue_max_bytes=64 << 20,
    )
    importlib.import_module("opentelemetry.instrumentation.requests").RequestsInstrumentor().instrument()
    ports = {}
    for door in DOORS:
        app = BUILDERS[door](Shop(Plant(door, scene)))
        if scene == "contrib":
            app = _instrumented(door, app)
        ports[door] = (_uvicorn if door in ASGI else _waitress)(spantap.instrument_app(app))
    print(json.dumps(ports), file=sys.__stderr__, flush=True)
    while os.read(0, 1024):
        pass
    handle.tap.wait_for_open(10)
    assert handle.flush(60)
    provider: Any = trace.get_tracer_provider()
    provider.force_flush()
    (folder / "memory").write_text("\n".join(map(repr, memory.read(limit=10_000))))
    (folder / "stats").write_text(repr(handle.stats()))
    os._exit(0)


def _log_to(path: Path, others: tuple[str, ...] = ("urllib3",)) -> None:
    """What spantap and OpenTelemetry log, everything; what servers and apps log is their own."""
    writing = logging.FileHandler(path)
    writing.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logging.getLogger().addHandler(writing)
    logging.getLogger().setLevel(logging.DEBUG)
    for name in (*_SERVERS, *others):
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())


class _Starts(SpanProcessor):
    """Writes down what spans hold at their start, where samplers and processors see them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if span.instrumentation_scope.name != "spantap":
            return  # a framework's own, which begins with the URL as it is
        with self._path.open("a") as file:
            file.write(f"{span.name} {dict(span.attributes)}\n")


def _provider(folder: Path) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    provider = TracerProvider()
    provider.add_span_processor(_Starts(folder / "starts"))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(insecure=True), max_queue_size=100_000))
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    return provider


def _instrument_django() -> None:
    importlib.import_module("leaks.doors")._django_app("", Shop(Plant("", "")))
    importlib.import_module("opentelemetry.instrumentation.django").DjangoInstrumentor().instrument()


def _instrumented(door: str, app: Any) -> Any:
    if door in ("fastapi", "starlette", "flask"):
        module = importlib.import_module(f"opentelemetry.instrumentation.{door}")
        names = {"fastapi": "FastAPIInstrumentor", "starlette": "StarletteInstrumentor"}
        getattr(module, names.get(door, "FlaskInstrumentor"))().instrument_app(app)
        return app
    if door in ("asgi", "wsgi"):
        return importlib.import_module(f"opentelemetry.instrumentation.{door}").OpenTelemetryMiddleware(app)
    return app


def _uvicorn(app: Any) -> int:
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    threading.Thread(target=uvicorn.Server(config).run, args=([listening],), daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


def _waitress(app: Any) -> int:
    from waitress import create_server

    server: Any = create_server(app, host="127.0.0.1", port=0, threads=4)
    threading.Thread(target=server.run, daemon=True).start()
    return int(server.effective_port)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
