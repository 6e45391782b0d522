"""What an OpenTelemetry Collector takes to pass exchanges on: CPU, memory, bytes out.

    PYTHONPATH=tests .venv/bin/python benchmarks/collector_rate.py --collector PATH [--requests N] [--times N]

The OTLP requests that the varied traffic (`varied.py`) makes are sent again and again, by four connections,
to a real Collector that receives, limits its memory and either forgets (`debug`, basic) or forwards what it
got, in batches by bytes, to a receiver that throws it away. Its start is in the figures.
"""

from __future__ import annotations

import argparse
import http.client
import os
import subprocess
import tempfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
from sizes import captured

from deployment.serving import free_port, listens, wait_for

CONNECTIONS = 4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--collector", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--times", type=int, default=20)
    arguments = parser.parse_args()
    batches = [body for chunk in captured(arguments.requests) for body in chunk]
    count = arguments.requests * arguments.times
    sent = sum(map(len, batches)) * arguments.times
    print(f"{count} exchanges, {sent / count:,.0f} bytes of OTLP each, {sent / 1e6:,.0f} MB\n")
    print(
        "| exporter | CPU us an exchange | exchanges a core-second | MB in a core-second | bytes out | MB |"
    )
    print("|---|---|---|---|---|---|")
    for name, exporter in EXPORTERS.items():
        cpu, memory, out = passed(arguments.collector, exporter, batches, arguments.times)
        each = f"{out / count:,.0f}" if out else "-"
        cells = (
            f"{cpu / count * 1e6:.1f}",
            f"{count / cpu:,.0f}",
            f"{sent / 1e6 / cpu:.0f}",
            each,
            f"{memory:.0f}",
        )
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


_BATCHES = {"sizer": "bytes", "min_size": 524288, "max_size": 4194304, "flush_timeout": "1s"}
_QUEUE = {"sizer": "bytes", "queue_size": 268435456, "block_on_overflow": True, "batch": _BATCHES}
EXPORTERS: dict[str, dict[str, Any]] = {
    "debug": {"debug": {"verbosity": "basic"}},
    **{
        f"otlp_http, {coding}": {
            "otlp_http": {"endpoint": "SINK", "compression": coding, "sending_queue": _QUEUE}
        }
        for coding in ("none", "gzip", "zstd")
    },
}


def passed(
    collector: Path, exporter: dict[str, Any], batches: list[bytes], times: int
) -> tuple[float, float, int]:
    """Seconds of CPU the Collector took for it all, its largest memory in MB, bytes that came out."""
    port, health = free_port(), free_port()
    with tempfile.TemporaryDirectory() as scratch, Sink() as sink:
        config = {
            "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
            "processors": {
                "memory_limiter": {"check_interval": "1s", "limit_mib": 1024, "spike_limit_mib": 256}
            },
            "exporters": orjson.loads(orjson.dumps(exporter).replace(b"SINK", sink.url.encode())),
            "service": {
                "extensions": ["health_check"],
                "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
                "pipelines": {
                    "traces": {
                        "receivers": ["otlp"],
                        "processors": ["memory_limiter"],
                        "exporters": list(exporter),
                    }
                },
            },
        }
        file = Path(scratch) / "collector.yaml"
        file.write_bytes(orjson.dumps(config))  # JSON is YAML
        with (Path(scratch) / "log").open("wb") as log:
            process = subprocess.Popen([collector, "--config", file], stdout=log, stderr=log)
        try:
            wait_for(lambda: listens(port), lambda: (Path(scratch) / "log").read_text())
            wait_for(lambda: urllib.request.urlopen(f"http://127.0.0.1:{health}/", timeout=5).status == 200)
            send(port, batches, times)
            process.terminate()  # it sends on what it holds
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, sink.received
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()


def send(port: int, batches: list[bytes], times: int) -> None:
    """POST every batch so many times; each has to be taken."""
    headers = {"content-type": "application/x-protobuf"}
    failures: list[object] = []

    def worker(mine: list[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for body in mine:
            connection.request("POST", "/v1/traces", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(answer.status)
                return

    everything = batches * times
    threads = [
        threading.Thread(target=worker, args=(everything[at::CONNECTIONS],)) for at in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


class Sink:
    """Takes OTLP over HTTP and keeps nothing but the number of bytes.

    Attributes:
        received: bytes of bodies so far, as they came.
    """

    def __init__(self) -> None:
        self.received = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Sink:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(sink) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with sink._lock:
                    sink.received += len(body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep quiet."""

        return Handler


if __name__ == "__main__":
    main()
