"""Processes that are killed while their collector is down, and what those that come after them deliver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from receivers import otlp_grpc, websocket
from receivers.http import Answer, HTTPReceiver, Request, free_port
from receivers.otlp_http import OTLPReceiver

TESTS = Path(__file__).parent.parent
PREFIX = "OTEL_PYTHON_SPANTAP_"
WAIT = 60.0
IDs = Callable[[], list[str]]

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="needs flock and SIGKILL, which this system has not"
)


class Process:
    """The app in a process of its own; see `spooled_app.py`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(TESTS / "spooled_app.py")],
            env={**environ, "PYTHONPATH": str(TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = ""

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()

    def tell(self, command: str) -> dict[str, Any]:
        """Let it do something; the counts of its one destination afterwards."""
        (counts,) = self.told(command)["destinations"].values()
        assert counts["captured"] == sum(
            (counts["exported"], counts["queued"], counts["spooled"], *counts["dropped"].values())
        )
        return dict(counts)

    def told(self, command: str) -> dict[str, Any]:
        """Its whole answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The counts once they are as wanted."""
        deadline = time.monotonic() + WAIT
        while not wanted(counts := self.tell("stats")):
            assert time.monotonic() < deadline, counts
            time.sleep(0.02)
        return counts

    def spool(self, count: int) -> None:
        """Ask it so often, and wait until all of it is on disk."""
        self.tell(f"requests {count}")
        self.until(lambda counts: counts["queued"] == 0 and counts["spooled"] >= count)

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate(timeout=WAIT)

    def end(self, number: signal.Signals | None = None) -> int:
        """Let it end as any process does, or by a signal; its status."""
        if number is not None:
            self._process.send_signal(number)
        _, self.log = self._process.communicate(timeout=WAIT)
        return self._process.returncode


@contextmanager
def over_http(port: int) -> Iterator[IDs]:
    with HTTPReceiver(port=port) as receiver:
        yield lambda: [each["span_id"] for request in receiver.taken for each in json.loads(request.body)]


@contextmanager
def over_otlp_http(port: int) -> Iterator[IDs]:
    with OTLPReceiver(port=port) as receiver:
        yield lambda: [span.span_id.hex() for span in receiver.spans()]


@contextmanager
def over_otlp_grpc(port: int) -> Iterator[IDs]:
    with otlp_grpc.receiving(port) as receiver:
        yield lambda: [span.span_id.hex() for span in receiver.spans()]


@contextmanager
def over_websocket(port: int) -> Iterator[IDs]:
    with websocket.receiving(port) as receiver:
        yield lambda: receiver.ids


COLLECTORS: dict[str, tuple[Any, dict[str, str]]] = {
    "http": (over_http, {f"{PREFIX}HTTP_ENDPOINT": "http://127.0.0.1:{port}"}),
    "otlp-http": (over_otlp_http, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:{port}"}),
    "otlp-grpc": (
        over_otlp_grpc,
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        },
    ),
    "websocket": (over_websocket, {f"{PREFIX}WEBSOCKET_ENDPOINT": "ws://127.0.0.1:{port}"}),
}


class Place:
    """A collector that comes and goes on one port, and a spool."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._collector, variables = COLLECTORS[kind]
        self.port = free_port()
        self.spool = folder / "spool"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        self.environ = {
            **kept,
            f"{PREFIX}SPOOL_DIR": str(self.spool),
            **{name: value.format(port=self.port) for name, value in variables.items()},
        }

    def process(self, **settings: str) -> Process:
        return Process({**self.environ, **{PREFIX + name: value for name, value in settings.items()}})

    def collector(self) -> Any:
        return self._collector(self.port)

    def files(self, kind: str = "") -> list[Path]:
        return sorted(self.spool.rglob(f"*.{kind or '*'}"))


BIG = pytest.mark.matrix


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("http", 100),
        *(pytest.param(kind, 1000, marks=BIG) for kind in COLLECTORS),
    ],
)
def test_killed_in_an_outage(kind: str, count: int, tmp_path: Path) -> None:
    """Killed while its collector is down, restarted when it is back: all of it arrives, once."""
    place = Place(kind, tmp_path)
    with place.process() as app:
        app.spool(count)
        app.kill()
    on_disk = b"".join(path.read_bytes() for path in place.files())

    with place.collector() as ids, place.process() as app:
        app.tell("begin")
        counts = app.until(lambda counts: counts["adopted"]["exported"] == count)
        arrived = ids()
        app.tell("shutdown 10")

    assert len(arrived) == len(set(arrived)) == count
    assert counts["adopted"] == {"captured": count, "exported": count, "spooled": 0, "dropped": {}}
    assert b"hunter2-hunter2" not in on_disk
    assert b"www" in on_disk
    assert place.files() == []


def test_what_was_delivered_is_not_sent_again(tmp_path: Path) -> None:
    """Killed after the collector took some and before it took the rest: only the rest comes again."""
    place = Place("otlp-grpc", tmp_path)  # its server takes its connections along
    with place.process() as app:
        with place.collector() as ids:
            app.tell("requests 40")
            app.until(lambda counts: counts["exported"] == 40)
            before = ids()
        app.spool(10)
        app.kill()
    with place.collector() as ids, place.process() as app:
        app.tell("begin")
        app.until(lambda counts: counts["adopted"]["exported"] == 10)
        after = ids()

    assert len(before) == len(set(before)) == 40
    assert len(after) == len(set(after)) == 10
    assert not set(before) & set(after)


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=BIG)])
def test_the_last_record_is_torn(count: int, tmp_path: Path) -> None:
    """Where the machine tore the end off a file one is lost, and counted; all others arrive."""
    place = Place("http", tmp_path)
    with place.process() as app:
        app.spool(count)
        app.kill()
    last = place.files("records")[-1]
    os.truncate(last, last.stat().st_size - 7)

    with place.collector() as ids, place.process() as app:
        app.tell("begin")
        counts = app.until(lambda counts: counts["adopted"]["exported"] == count - 1)
        arrived = ids()

    assert len(arrived) == len(set(arrived)) == count - 1
    assert counts["adopted"]["dropped"] == {"corrupt": 1}
    assert counts["adopted"]["captured"] == count


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=BIG) for kind in COLLECTORS])
def test_two_workers_are_killed(kind: str, tmp_path: Path) -> None:
    """Two killed, two started: what both have left arrives, once, with what is new."""
    place = Place(kind, tmp_path)
    with place.process() as one, place.process() as other:
        one.spool(500)
        other.spool(500)
        one.kill()
        other.kill()

    with place.collector() as ids, place.process() as one, place.process() as other:
        one.tell("begin")
        other.tell("requests 10")
        deadline = time.monotonic() + WAIT
        while len(set(ids())) < 1010 and time.monotonic() < deadline:
            time.sleep(0.05)
        adopted = [process.tell("stats")["adopted"]["captured"] for process in (one, other)]

    assert len(ids()) == len(set(ids())) == 1010
    assert sum(adopted) == 1000


@BIG
def test_a_living_process_takes_over(tmp_path: Path) -> None:
    """When one of two workers is killed the other delivers what it has left, without a restart."""
    place = Place("http", tmp_path)
    with place.process() as one, place.process() as other:
        other.spool(5)
        one.spool(100)
        one.kill()
        with place.collector() as ids:
            other.until(lambda counts: counts["adopted"]["exported"] == 100 and counts["exported"] == 5)
            assert len(ids()) == len(set(ids())) == 105


@pytest.mark.parametrize(
    "number", [pytest.param(None, id="exit", marks=BIG), pytest.param(signal.SIGTERM, marks=BIG)]
)
def test_an_ordinary_end(number: signal.Signals | None, tmp_path: Path) -> None:
    """A process that ends in an outage loses nothing either, not even what it captured last, and says so."""
    place = Place("http", tmp_path)
    with place.process() as app:
        app.tell("requests 100")
        assert app.end(number) == (0 if number is None else -number)
        assert "undelivered" not in app.log
    with place.collector() as ids, place.process() as app:
        app.tell("begin")
        app.until(lambda counts: counts["adopted"]["exported"] == 100)
        assert len(ids()) == len(set(ids())) == 100


def test_killed_before_the_answer(tmp_path: Path) -> None:
    """A batch the collector took while its sender was killed comes again as the same batch, by its key."""
    place = Place("http", tmp_path)
    with HTTPReceiver(port=place.port) as receiver:
        receiver.decide = lambda request: Answer(delay=WAIT)
        with place.process(HTTP_FLUSH_INTERVAL="0.1") as app:
            app.tell("requests 50")
            receiver.wait_for(1, WAIT)
            app.spool(20)
            app.kill()
        receiver.decide = lambda request: Answer()
        with place.process() as app:
            app.tell("begin")
            app.until(lambda counts: counts["adopted"]["exported"] == 70)
        requests = list(receiver.requests)

    first, *later = requests
    again = [each for each in later if key(each) == key(first)]
    assert [each.body for each in again] == [first.body]
    by_key = {key(each): each for each in requests}
    arrived = Counter(one["span_id"] for each in by_key.values() for one in json.loads(each.body))
    assert len(arrived) == 70
    assert set(arrived.values()) == {1}


def key(request: Request) -> str:
    return request.headers["idempotency-key"]


def test_a_full_disk(tmp_path: Path) -> None:
    """Where files cannot grow any more requests are answered, nothing is lost, and it is said."""
    place = Place("http", tmp_path)
    with place.process() as app:
        app.spool(20)
        app.tell("limit 40000")
        app.tell("requests 100")
        counts = app.until(lambda counts: counts["spool_failing"] is not None)
        assert counts["spool_failing"] == "File too large"
        assert counts["queued"] > 0
        assert counts["queued"] + counts["spooled"] == 120
        with place.collector() as ids:
            app.until(lambda counts: counts["exported"] == 120)
            assert len(ids()) == len(set(ids())) == 120
        app.end()
        assert app.log.count("the spool takes nothing (File too large)") == 1


@BIG
def test_a_fork_after_the_first_requests(tmp_path: Path) -> None:
    """Parent and child each keep their own; killed both, all of it arrives, once."""
    place = Place("http", tmp_path)
    with place.process() as app:
        app.spool(50)
        app.tell("fork")
        app.spool(50)
        pid = app.told("stats")["pid"]
        os.kill(pid, signal.SIGKILL)
        app.end()
    with place.collector() as ids, place.process() as app:
        app.tell("begin")
        app.until(lambda counts: counts["adopted"]["exported"] == 100)
        assert len(ids()) == len(set(ids())) == 100


PRELOADED = """
import sys
sys.path.insert(0, {tests!r})
import spantap

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]

app = spantap.instrument_app(app)
"""


@BIG
def test_preloaded_workers_are_killed(tmp_path: Path) -> None:
    """Two workers, killed with their master: the first request of the next ones is enough."""
    place = Place("http", tmp_path)
    (tmp_path / "preloaded.py").write_text(PRELOADED.format(tests=str(TESTS)))
    with _gunicorn(place, tmp_path) as ask:
        for _ in range(200):
            ask()
        deadline = time.monotonic() + WAIT
        while _records(place) < 200 and time.monotonic() < deadline:
            time.sleep(0.05)
    with place.collector() as ids, _gunicorn(place, tmp_path) as ask:
        ask()
        deadline = time.monotonic() + WAIT
        while len(set(ids())) < 201 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(ids()) == len(set(ids())) == 201


def _records(place: Place) -> int:
    return sum(path.read_bytes().count(b"\xf5rec") for path in place.files("records"))


@contextmanager
def _gunicorn(place: Place, folder: Path) -> Iterator[Callable[[], None]]:
    """Served by two workers, until all are killed."""
    import http.client

    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w2", f"-b127.0.0.1:{port}", "preloaded:app"]
    with subprocess.Popen(
        command, cwd=folder, env=place.environ, stderr=subprocess.DEVNULL, start_new_session=True
    ) as server:

        def ask() -> None:
            deadline = time.monotonic() + WAIT
            while True:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
                try:
                    connection.request("GET", "/")
                    assert connection.getresponse().read() == b"ok"
                except ConnectionRefusedError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                else:
                    return
                finally:
                    connection.close()

        try:
            yield ask
        finally:
            os.killpg(server.pid, signal.SIGKILL)
