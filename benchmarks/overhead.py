"""What a captured request costs: bare, stock OpenTelemetry and spantap, in process.

Every cell runs in fresh processes, interleaved over the rounds, the app called directly (no
server, no socket) at a pace the exporters can follow; the OTLP sink is another process. CPU is
that of the whole process, delivery included, per request. Trust ratios, not absolute figures.

    python benchmarks/overhead.py [--rounds 3] [--frameworks fastapi,flask] [--workloads post,get]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apps

HERE = Path(__file__).parent
CONTENDERS = ("bare", "otel", "spantap", "unsampled", "left_out")
# What sampling leaves out: traces, or, beside a store alone, exchanges.
NOTHING_SENT: dict[str, dict[str, str]] = {
    "unsampled": {"OTEL_TRACES_SAMPLER": "always_off"},
    "left_out": {
        "OTEL_TRACES_EXPORTER": "spantap_sqlite",
        "OTEL_PYTHON_SPANTAP_CAPTURE_SAMPLE_RATE": "0",
    },
}
FRAMEWORKS = ("fastapi", "flask", "django")
# name -> method, path, body, requests, requests a second
WORKLOADS: dict[str, tuple[str, str, bytes, int, int]] = {
    "post": ("POST", "/echo/ada", json.dumps(apps.SMALL).encode(), 1500, 500),
    "get": ("GET", "/items", b"", 1000, 400),
    "upload": ("POST", "/upload", json.dumps(apps.ITEMS * 15).encode(), 150, 50),
    "stream": ("GET", "/stream", b"", 300, 60),
}
TITLES = {"post": "POST 1 KB", "get": "GET 16 KB", "upload": "POST 256 KB", "stream": "stream 64x4 KB"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(*options.child)))
        return
    names = [each for each in options.contenders.split(",") if each]
    for framework in options.frameworks.split(","):
        print(f"\n### {framework}\n\nCPU per request: ratio to bare, added us; added wall p50/p99 us\n")
        print("| workload | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 1))
        for workload in options.workloads.split(","):
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
            for _ in range(options.rounds):
                for name in names:
                    runs[name].append(in_fresh_process(framework, name, workload))
            print(f"| {TITLES[workload]} | " + " | ".join(cells(runs)) + " |", flush=True)


def cells(runs: dict[str, list[dict[str, float]]]) -> list[str]:
    def median(name: str, what: str) -> float:
        return statistics.median(run[what] for run in runs[name])

    written = []
    for name, each in runs.items():
        cpu = median(name, "cpu")
        if name == "bare":
            written.append(f"{cpu:.0f} us")
            continue
        bare = median("bare", "cpu")
        p50, p99 = (median(name, what) - median("bare", what) for what in ("p50", "p99"))
        text = f"x{cpu / bare:.2f}, +{cpu - bare:.0f}; +{p50:.0f}/+{p99:.0f}"
        lost = 1 - min(run["delivered"] for run in each)
        written.append(text + (f" (**{lost:.0%} lost**)" if lost > 0.01 and name not in NOTHING_SENT else ""))
    return written


def in_fresh_process(framework: str, contender: str, workload: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        sink = subprocess.Popen(
            [sys.executable, HERE / "otlp_sink.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert sink.stdout is not None
        port = sink.stdout.readline().strip()
        done = subprocess.run(
            [sys.executable, __file__, "--child", framework, contender, workload],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=scratch,
            env={
                **os.environ,
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_TRACES_SAMPLER": "always_on",
                "OTEL_PYTHON_SPANTAP_CAPTURE_UNSAMPLED": "none",
                **NOTHING_SENT.get(contender, {}),
            },
        )
        spans, _ = sink.communicate("stop\n")
        result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        # Stock FastAPI sends INTERNAL spans too; only the SERVER ones are counted.
        result["delivered"] = int(spans) / result["requests"]
        return result


def measure(framework: str, contender: str, workload: str) -> dict[str, float]:
    app, flush = build(framework, contender)
    method, path, body, requests, rate = WORKLOADS[workload]
    once = (
        asgi_caller(app, method, path, body)
        if framework == "fastapi"
        else wsgi_caller(app, method, path, body)
    )
    for _ in range(min(100, requests)):
        once()
    flush()
    gc.collect()  # what start-up left behind is nobody's cost per request
    took: list[float] = []
    cpu = time.process_time()
    begin = time.perf_counter()
    for number in range(requests):
        due = begin + number / rate
        if (wait := due - time.perf_counter()) > 0:
            time.sleep(wait)
        start = time.perf_counter()
        once()
        took.append(time.perf_counter() - start)
    flush()
    cpu = time.process_time() - cpu
    took.sort()
    return {
        "cpu": cpu / requests * 1e6,
        "p50": took[len(took) // 2] * 1e6,
        "p99": took[int(len(took) * 0.99)] * 1e6,
        "requests": requests + min(100, requests),
    }


def build(framework: str, contender: str) -> tuple[Any, Callable[[], object]]:
    if framework == "django":
        configure_django(contender)
    if contender == "otel":
        provider = stock_provider()
    app: Any = getattr(apps, framework)()
    if contender == "bare":
        return app, lambda: None
    if contender == "otel":
        if framework == "fastapi":
            from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

            FastAPIInstrumentor.instrument_app(app)
        elif framework == "flask":
            from opentelemetry.instrumentation.flask import FlaskInstrumentor

            stock: Any = FlaskInstrumentor()
            stock.instrument_app(app)
        return app, provider.force_flush
    import spantap

    handle = spantap.configure()
    return spantap.instrument_app(app), lambda: handle.flush(30)


def configure_django(contender: str) -> None:
    import django
    from django.conf import settings

    settings.configure(SECRET_KEY="bench", ALLOWED_HOSTS=["*"], MIDDLEWARE=[], LOGGING_CONFIG=None)
    django.setup()
    if contender == "otel":
        from opentelemetry.instrumentation.django import DjangoInstrumentor

        DjangoInstrumentor().instrument()


def stock_provider() -> Any:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


HEADERS = {
    "host": "bench",
    "user-agent": "bench/1.0",
    "accept": "application/json",
    "accept-encoding": "gzip",
    "authorization": "Bearer abcdefghijklmnop",
    "cookie": "sid=0123456789abcdef",
    "x-request-id": "7d3f",
    "content-type": "application/json",
}


def asgi_caller(app: Any, method: str, path: str, body: bytes) -> Callable[[], None]:
    loop = asyncio.new_event_loop()
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    headers.append((b"content-length", str(len(body)).encode()))

    async def request() -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"page=2",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
        }
        pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
        ended = asyncio.Event()
        status = 0

        async def receive() -> dict[str, Any]:
            if pieces:
                piece = pieces.pop(0)
                return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended.set()

        await app(scope, receive, send)
        assert status == 200, status

    return lambda: loop.run_until_complete(request())


def wsgi_caller(app: Any, method: str, path: str, body: bytes) -> Callable[[], None]:
    def once() -> None:
        statuses: list[str] = []
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "page=2",
            "RAW_URI": f"{path}?page=2",
            "SERVER_NAME": "bench",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": "50000",
            "CONTENT_TYPE": HEADERS["content-type"],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **{
                f"HTTP_{name.upper().replace('-', '_')}": value
                for name, value in HEADERS.items()
                if name != "content-type"
            },
        }
        result = app(environ, lambda status, headers, *_: statuses.append(status))
        for _ in result:
            pass
        if hasattr(result, "close"):
            result.close()
        assert statuses[0].startswith("200"), statuses

    return once


if __name__ == "__main__":
    main()
