"""The destinations of the soak: each can be told to fail, and knows which exchanges it has, by worker."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from redis import Redis as RedisClient
from redis import RedisError
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from receivers.http import OK, Answer, HTTPReceiver, Request
from services.servers import Redis

PREFIX = "OTEL_PYTHON_SPANTAP_"
WELL = "well"


class Place(Protocol):
    """A destination.

    Attributes:
        name: as the worker's ledger has it.
        faults: what may be wrong with it.
    """

    @property
    def name(self) -> str: ...

    @property
    def faults(self) -> tuple[str, ...]: ...

    def environ(self, worker: str) -> dict[str, str]:
        """What tells a worker where it is."""

    def be(self, fault: str) -> None:
        """Have this fault from now on; ``well`` is none."""

    def arrived(self, worker: str) -> tuple[int, int]:
        """How many exchanges of a worker it has, and how often one came again."""


class Arrivals:
    """Span ids by worker; what they belonged to is thrown away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: dict[str, set[str]] = defaultdict(set)
        self._again: Counter[str] = Counter()

    def add(self, pairs: Iterable[tuple[str, str]]) -> None:
        with self._lock:
            for worker, span_id in pairs:
                if span_id in self._ids[worker]:
                    self._again[worker] += 1
                self._ids[worker].add(span_id)

    def of(self, worker: str) -> tuple[int, int]:
        with self._lock:
            return len(self._ids.pop(worker, ())), self._again.pop(worker, 0)


class Posted(HTTPReceiver):
    """Over HTTP: our own batches, or OTLP."""

    faults = ("away", "slow", "503", "429", "404", "413", "400", "reset")

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._fault = WELL
        self._arrivals = Arrivals()

    def __enter__(self) -> Posted:
        super().__enter__()
        return self

    def environ(self, worker: str) -> dict[str, str]:
        variable = "OTEL_EXPORTER_OTLP_ENDPOINT" if self.name == "otlp" else f"{PREFIX}HTTP_ENDPOINT"
        return {variable: self.url}

    def be(self, fault: str) -> None:
        self._fault = fault

    def arrived(self, worker: str) -> tuple[int, int]:
        return self._arrivals.of(worker)

    def answer(self, request: Request) -> Answer:
        fault = self._fault
        if fault == "away":
            raise ConnectionAbortedError  # which closes the connection
        answer = OK
        if fault in ("503", "404"):
            answer = Answer(int(fault))
        elif fault == "429":
            answer = Answer(429, {"retry-after": "1"})
        elif fault in ("413", "400") and len(request.body) > 100_000:
            answer = Answer(int(fault))
        elif fault == "slow":
            answer = Answer(delay=0.5)
        elif fault == "reset":
            answer = Answer(reset=True)
        if answer.takes:
            self._arrivals.add(_in_otlp(request.body) if self.name == "otlp" else _in_json(request.body))
        return answer


def _in_json(body: bytes) -> Iterator[tuple[str, str]]:
    for record in orjson.loads(body):
        yield record["service"], record["span_id"]


def _in_otlp(body: bytes) -> Iterator[tuple[str, str]]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        named = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield named["service.name"], span.span_id.hex()


class Streamed:
    """Over a WebSocket."""

    name = "websocket"
    faults = ("away", "breaks", "silent")

    def __init__(self) -> None:
        self._fault = WELL
        self._arrivals = Arrivals()
        self._server = serve(self._talk, "127.0.0.1", 0, process_request=self._greet, close_timeout=1)
        self._port = self._server.socket.getsockname()[1]

    def __enter__(self) -> Streamed:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()

    def environ(self, worker: str) -> dict[str, str]:
        return {
            f"{PREFIX}WEBSOCKET_ENDPOINT": f"ws://127.0.0.1:{self._port}",
            f"{PREFIX}WEBSOCKET_TIMEOUT": "2",
        }

    def be(self, fault: str) -> None:
        self._fault = fault

    def arrived(self, worker: str) -> tuple[int, int]:
        return self._arrivals.of(worker)

    def _greet(self, connection: ServerConnection, request: Any) -> Any:
        away = self._fault == "away"
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "away") if away else None

    def _talk(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for count, text in enumerate(connection):
                if self._fault == "away" or (self._fault == "breaks" and count % 20 == 19):
                    connection.close_socket()
                    return
                record = json.loads(text)
                self._arrivals.add([(record["service"], record["span_id"])])
                if self._fault != "silent":
                    connection.send(json.dumps({"ack": [record["span_id"]]}))


class Stored:
    """In SQLite: a file for each worker."""

    name = "sqlite"
    faults = ("locked",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._worker = ""
        self._blocker: sqlite3.Connection | None = None

    def environ(self, worker: str) -> dict[str, str]:
        self._worker = worker
        return {f"{PREFIX}SQLITE_PATH": str(self._path(worker))}

    def be(self, fault: str) -> None:
        if self._blocker is not None:
            self._blocker.close()
            self._blocker = None
        if fault == "locked" and self._path(self._worker).exists():
            blocker = sqlite3.connect(self._path(self._worker), timeout=5, check_same_thread=False)
            with contextlib.suppress(sqlite3.OperationalError):
                blocker.execute("BEGIN IMMEDIATE")
            self._blocker = blocker

    def arrived(self, worker: str) -> tuple[int, int]:
        path = self._path(worker)
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
            (rows,) = connection.execute("SELECT count(*) FROM exchanges").fetchone()
        path.unlink()
        return rows, 0

    def _path(self, worker: str) -> Path:
        return self._folder / f"{worker}.db"


class InRedis:
    """In Redis: a stream for each worker, which keeps few and counts all."""

    name = "redis"
    faults = ("killed", "paused")

    def __init__(self) -> None:
        self._server = Redis()
        self._fault = WELL

    def __enter__(self) -> InRedis:
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.remove()

    def environ(self, worker: str) -> dict[str, str]:
        return {
            f"{PREFIX}REDIS_URL": self._server.url,
            f"{PREFIX}REDIS_STREAM": worker,
            f"{PREFIX}REDIS_MAXLEN": "1000",
        }

    def be(self, fault: str) -> None:
        if self._fault == "killed":
            self._server.start()
        elif self._fault == "paused":
            self._server.resume()
        self._fault = fault
        if fault == "killed":
            self._server.kill()
        elif fault == "paused":
            self._server.pause()

    def arrived(self, worker: str) -> tuple[int, int]:
        with RedisClient.from_url(self._server.url) as client:
            try:
                told: Any = client.xinfo_stream(worker)
            except RedisError:
                return 0, 0
            client.delete(worker, f"{{{worker}}}:ids")
        return told["entries-added"], 0


class Trouble(threading.Thread):
    """Gives random faults to random places until it is stopped; then all are well.

    Attributes:
        given: fault -> how often.
    """

    def __init__(self, places: list[Place], chance: random.Random) -> None:
        super().__init__()
        self.given: Counter[str] = Counter()
        self._places = places
        self._chance = chance
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(self._chance.uniform(0.2, 1.5)):
            place = self._chance.choice(self._places)
            fault = self._chance.choice((WELL, *place.faults))
            place.be(fault)
            if fault != WELL:
                self.given[f"{place.name} {fault}"] += 1
        for place in self._places:
            place.be(WELL)

    def stop(self) -> None:
        self._stopped.set()
        self.join()
        time.sleep(0.1)  # an answer that was decided on before
