"""An agent and two gateways as `deploy/` has them, on loopback, two instrumented services before them,
and an OTLP receiver behind them."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from collector.running import DEPLOY, Collector
from deployment.serving import BOTH, GUNICORN, INSTRUMENT, defaults, served
from receivers.otlp_http import OTLPReceiver, attributes, server_spans
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange

SERVICES: Final = ("shop", "payments")  # gateways keep what has to do with payments to themselves
SPANS: Final = 2  # of a request: its own, and one inside

APP: Final = """
import time
from flask import Flask, jsonify, request
from opentelemetry import trace
import spantap

app = Flask(__name__)

@app.post("/<how>/<int:number>")
def answer(how, number):
    with trace.get_tracer("shop").start_as_current_span("look up"):
        if how == "slow":
            time.sleep(0.7)
    if how == "watched":
        spantap.current().user("ada")
    return jsonify(request.get_json()), 500 if how == "fails" else 200
"""

# What the gateways are told; tests change it.
GATEWAYS: Final = {
    "DECISION_WAIT": "1s",
    "SLOW_MILLISECONDS": "500",
    "WATCHED_USERS": "ada|grace",
    "BASELINE_PERCENT": "0",
    "METRICS_INTERVAL": "500ms",
}


class TwoTiers:
    """An agent, two gateways and a backend, all running between `__enter__` and `__exit__`.

    Attributes:
        agent, gateways, backend: the four; each can be killed and started again.
    """

    def __init__(self, program: Path, folder: Path, **environ: str) -> None:
        """Args:
        program: the collector.
        folder: where they run, each in a folder of its own.
        environ: for the gateways, over `GATEWAYS`.
        """
        self.backend = OTLPReceiver()
        self.gateways = [
            Collector(
                program,
                folder / name,
                [DEPLOY / "gateway.yaml"],
                {**GATEWAYS, "BACKEND_ENDPOINT": self.backend.url, **environ},
            )
            for name in ("gateway-1", "gateway-2")
        ]
        first, second = self.gateways
        where = {"GATEWAY_1": first.grpc, "GATEWAY_2": second.grpc}
        self.agent = Collector(program, folder / "agent", [DEPLOY / "agent.yaml"], where)

    def __enter__(self) -> TwoTiers:
        self.backend.__enter__()
        with contextlib.ExitStack() as started:  # one that does not start leaves none of the others
            for each in (*self.gateways, self.agent):
                each.start()
                started.callback(each.kill)
            started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self.agent, *self.gateways):
            each.kill()
        self.backend.__exit__(kind, error, trace)

    def taken(self) -> int:
        """Spans the gateways have taken, those that run since they were started last."""
        return sum(each.counted("otelcol_receiver_accepted_spans") for each in self.gateways)

    def at_backend(self) -> Counter[str]:
        """Span id -> how many times the backend got it."""
        return Counter(span.span_id.hex() for span in self.backend.spans())

    def exchanges(self, file: str = "kept.jsonl") -> list[Exchange]:
        """Those in a file of both gateways."""
        return [exchange for each in self.gateways for exchange in each.exchanges(file)]

    def calls(self) -> int:
        """How many spans the gateways' metrics count, by what each said last."""
        last: dict[str, int] = {}
        for delivery in self.backend.deliveries:
            if delivery.path != "/v1/metrics":
                continue
            for resource in ExportMetricsServiceRequest.FromString(delivery.body).resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        if metric.name == "traces.span.metrics.calls":
                            for point in metric.sum.data_points:
                                key = repr((resource.resource, sorted(map(str, point.attributes))))
                                last[key] = point.as_int
        return sum(last.values())

    def log(self) -> str:
        """What all three have said."""
        return "\n".join(each.log for each in (self.agent, *self.gateways))


class Services:
    """The two services, running under `opentelemetry-instrument` with the agent as their collector.

    Attributes:
        folders: one each; the store is in it.
    """

    def __init__(self, folder: Path, collector: Collector) -> None:
        self._collector = collector
        self.folders = {name: folder / name for name in SERVICES}
        self._ports: dict[str, int] = {}
        self._stack = contextlib.ExitStack()
        self._servers: list[object] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """They run; at the end they are stopped in an orderly way, and have sent everything."""
        with contextlib.ExitStack() as stack:
            servers = []
            for name, folder in self.folders.items():
                folder.mkdir(exist_ok=True)
                (folder / "app.py").write_text(APP)
                environ = {
                    **defaults(),
                    **BOTH,
                    "OTEL_SERVICE_NAME": name,
                    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self._collector.http}",
                }
                command = [INSTRUMENT, *GUNICORN, "app:app"]
                server, port = stack.enter_context(served(folder, command, environ))
                servers.append(server)
                self._ports[name] = port
            yield
            for server in servers:
                server.terminate()
            for server in servers:
                server.wait(60)

    def trace(self, how: str, number: int) -> str:
        """One request to each service, in one trace; returns its id."""
        trace_id = secrets.token_hex(16)
        for name, port in self._ports.items():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            with contextlib.closing(connection):
                # Only the first service finds what it is asked interesting.
                way = how if name == SERVICES[0] else "plain"
                connection.request(
                    "POST",
                    f"/{way}/{number}",
                    json.dumps({"n": number, "password": "correct-horse-7Wq"}),
                    {"Content-Type": "application/json", "traceparent": f"00-{trace_id}-{'1' * 16}-01"},
                )
                response = connection.getresponse()
                assert json.loads(response.read())["n"] == number
                assert response.status == (500 if way == "fails" else 200)
        return trace_id

    def stored(self, service: str | None = None) -> list[Exchange]:
        """Every exchange in the store of one service, or of both."""
        names = SERVICES if service is None else (service,)
        return [
            each for name in names for each in SQLiteSink(self.folders[name] / "spantap.db").read(limit=None)
        ]

    def slower(self, milliseconds: int) -> set[str]:
        """The traces that took longer, from the first of their requests to the end of the last."""
        times: dict[str, list[int]] = {}
        for each in self.stored():
            times.setdefault(each.trace_id, []).extend((each.timing.start, each.timing.end))
        return {each for each, them in times.items() if (max(them) - min(them)) // 10**6 > milliseconds}


def bodies(receiver: OTLPReceiver) -> int:
    """How many SERVER spans there have both bodies."""
    return sum(
        {"http.request.body.content", "http.response.body.content"} <= set(attributes(span))
        for span in server_spans(receiver.spans())
    )
