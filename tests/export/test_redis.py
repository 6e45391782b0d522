"""Exchanges in a Redis stream: of a server that is well, away, killed in the middle, and unwilling."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.util._importlib_metadata import entry_points

import spantap
from asgi_client import call, responding, scope
from exchanges import START, exchange
from services.servers import PASSWORD, Server
from spantap.cli.doctor_findings import examine
from spantap.codec.attributes import encode
from spantap.export.outcome import RefusedError, TryLaterError
from spantap.export.redis import RedisSink
from spantap.export.search import Filter
from spantap.model import ConfigurationError, Exchange
from spantap.settings import read
from store_writer import numbered

TESTS = Path(__file__).parent.parent
PROVIDER: Any = TracerProvider(shutdown_on_exit=False)
WAIT = 60.0


def some(count: int, worker: int = 0) -> list[Exchange]:
    return [numbered(number, worker) for number in range(count)]


@pytest.fixture
def sink(redis_url: str) -> Iterator[RedisSink]:
    sink = RedisSink(redis_url)
    yield sink
    sink.close()


@pytest.fixture
def own_sink(own_redis: Server) -> Iterator[RedisSink]:
    sink = RedisSink(own_redis.url)
    yield sink
    sink.close()


def test_what_was_stored_is_read_back(sink: RedisSink, redis_url: str) -> None:
    """Equal, the last first, by service and by time, past entries of somebody else's, page after page."""
    assert (sink.read(), sink.count()) == ([], 0)
    sink.write([*some(250), exchange(service="other")])
    with redis.Redis.from_url(redis_url) as client:
        client.xadd("spantap", {"not": "ours"})

    assert sink.read(None, Filter(service="shop")) == some(250)[::-1]
    assert sink.read(1, Filter(service="shop")) == [numbered(249)]
    assert sink.read(wanted=Filter(since=START + 248, service="shop")) == [numbered(249), numbered(248)]
    assert len(sink.read(limit=1000)) == 251


def test_an_exchange_is_stored_once(sink: RedisSink, redis_url: str) -> None:
    """Delivered twice, by whomever, it is there once, and counted."""
    assert sink.write(some(3)) == {}
    other = RedisSink(redis_url)
    assert other.write(some(5)) == {"duplicate": 3}
    other.close()

    assert sink.read() == some(5)[::-1]


def test_the_oldest_go_first(redis_url: str) -> None:
    """The stream holds about as many as it may, the newest, and no more ids than those."""
    sink = RedisSink(redis_url, stream="short", maxlen=100)
    for batch in range(20):
        sink.write(some(50, worker=batch))
    sink.close()

    assert 100 <= sink.count() < 300
    assert sink.read(limit=50) == some(50, worker=19)[::-1]
    with redis.Redis.from_url(redis_url) as client:
        assert client.zcard("{short}:ids") == 100


@pytest.mark.matrix
def test_eight_threads_of_requests(redis_url: str) -> None:
    """4,000 requests of eight threads are 4,000 entries."""
    handle = spantap.configure(tracer_provider=PROVIDER, redis_url=redis_url)
    app = spantap.instrument_app(responding(b"{}"))

    def requests() -> None:
        for _ in range(500):
            assert call(app, scope("GET", "/a"))[0]["status"] == 200

    threads = [threading.Thread(target=requests) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert handle.flush(WAIT)
    stats = handle.stats().destinations["redis"]
    handle.shutdown(1)

    assert (stats.captured, stats.exported, stats.dropped) == (4000, 4000, {})
    assert len({each.span_id for each in RedisSink(redis_url).read(limit=5000)}) == 4000


def test_killed_in_the_middle(own_redis: Server) -> None:
    """Requests are answered while Redis is away; when it is back it gets all of them, each once."""
    handle = spantap.configure(tracer_provider=PROVIDER, redis_url=own_redis.url)
    app = spantap.instrument_app(responding(b"{}"))
    for phase in (own_redis.kill, own_redis.start, own_redis.pause, own_redis.resume):
        for _ in range(50):
            assert call(app, scope("GET", "/a"))[0]["status"] == 200
        handle.flush(0.3)
        phase()
    assert handle.flush(WAIT)
    stats = handle.stats().destinations["redis"]
    handle.shutdown(1)

    # What is sent again after an answer that got lost was there already.
    assert stats.captured == stats.exported + stats.dropped.get("duplicate", 0) == 200
    assert len({each.span_id for each in RedisSink(own_redis.url).read(limit=1000)}) == 200


def test_an_answer_that_got_lost(own_redis: Server) -> None:
    """What Redis took and could not confirm in time is not stored a second time."""
    impatient = RedisSink(own_redis.url, timeout=0.5)
    assert impatient.write(some(1)) == {}
    own_redis.pause()
    with pytest.raises(TryLaterError, match="does not answer in time"):
        impatient.write(some(3))
    own_redis.resume()

    patient = RedisSink(own_redis.url)
    assert patient.write(some(3))["duplicate"] in (1, 3)  # it read what was sent before it slept, or not
    impatient.close()
    patient.close()
    assert patient.read() == some(3)[::-1]


def test_away(own_redis: Server, own_sink: RedisSink) -> None:
    """A server that is not there is for later, and told without the password."""
    own_redis.kill()

    with pytest.raises(TryLaterError, match="Connection refused"):
        own_sink.write(some(1))
    with pytest.raises(TryLaterError):
        own_sink.read()
    assert own_sink.probe(1) == "Connection refused"
    own_redis.start()
    assert own_sink.probe(WAIT) is None
    assert own_sink.write(some(1)) == {}


def test_what_may_go_away(own_redis: Server, own_sink: RedisSink) -> None:
    """Out of memory, read-only or without its replicas, it is tried again later."""
    own_sink.write(some(1))
    with redis.Redis.from_url(own_redis.url) as client:
        for name, value, usual in (("maxmemory", "1mb", "0"), ("min-replicas-to-write", "3", "0")):
            client.config_set(name, value)
            with pytest.raises(TryLaterError, match=r"answers (OOM|NOREPLICAS)"):
                own_sink.write([numbered(1)])
            client.config_set(name, usual)
        client.replicaof("127.0.0.1", 9)
        with pytest.raises(TryLaterError, match="READONLY"):
            own_sink.write([numbered(1)])
        client.replicaof("NO", "ONE")

    assert own_sink.write([numbered(1)]) == {}


def test_what_will_not(own_redis: Server) -> None:
    """A wrong password, missing rights and a key of another kind are refused, told without secrets."""
    at = f"127.0.0.1:{own_redis.port}"
    with redis.Redis.from_url(own_redis.url) as client:
        client.set("text", "x")
        client.execute_command("ACL SETUSER jim on >s3cret ~* +@all -@scripting")
    refused = {
        f"redis://:wr0ng@{at}": "wrong user or password",
        f"redis://{at}": "wrong user or password",
        f"redis://jim:s3cret@{at}": "NOPERM",
    }
    for url, why in refused.items():
        sink = RedisSink(url)
        with pytest.raises(RefusedError, match=why) as told:
            sink.write(some(1))
        sink.close()
        assert "s3cret" not in f"{told.value}{sink.target}{sink.probe(1)}"
    with pytest.raises(RefusedError, match="WRONGTYPE"):
        RedisSink(own_redis.url, stream="text").write(some(1))


def test_a_record_that_has_no_form(sink: RedisSink) -> None:
    """It is told before anything is sent: the queue finds it, and it is lost alone."""
    broken = exchange(metadata={"when": object()})
    with pytest.raises(TypeError):
        sink.write([*some(2), broken])
    assert sink.count() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system does not have")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork(sink: RedisSink) -> None:
    """Parent and child go on writing, each over a connection of its own."""
    sink.write([numbered(1)])
    child = os.fork()
    if child == 0:
        sink.write([numbered(2)])
        sink.close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    sink.write([numbered(3)])

    assert os.waitstatus_to_exitcode(status) == 0
    assert sink.read() == [numbered(3), numbered(2), numbered(1)]


def test_without_the_library() -> None:
    """Who asks for Redis without redis-py is told what to install; nobody else pays for it."""
    script = (
        "import sys, spantap, spantap.destinations; assert 'redis' not in sys.modules\n"
        "sys.modules['redis'] = None\n"
        "spantap.configure(redis_url='redis://127.0.0.1:1')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=TESTS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert 'pip install "spantap[redis]"' in done.stderr


@pytest.mark.setting("redis_url", "redis_stream", "redis_maxlen")
def test_by_settings(redis_url: str) -> None:
    """The server, the stream and its length are as set."""
    handle = spantap.configure(
        tracer_provider=PROVIDER, redis_url=redis_url, redis_stream="mine", redis_maxlen=20
    )
    app = spantap.instrument_app(responding(b"{}"))
    for _ in range(400):
        call(app, scope("GET", "/a"))
    assert handle.flush(WAIT)
    told = repr(handle.settings) + repr(handle.report())
    handle.shutdown(1)

    assert handle.stats().destinations["redis"].exported == 400
    with redis.Redis.from_url(redis_url) as client:
        assert 20 <= client.xlen("mine") < 200
    assert PASSWORD not in told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"redis_url": "http://us3r:s3cret@a"}, "redis:// or rediss://"),
        ({"redis_url": "redis://:s3cret@a/first"}, "number of the database"),
        ({"redis_url": "redis://:s3cret@a?pool=s3cret"}, "after the ?"),
        ({"redis_stream": "x"}, "no effect without REDIS_URL"),
        ({"redis_url": "redis://a", "redis_stream": "a b"}, "without spaces"),
        ({"redis_url": "redis://a", "redis_maxlen": "0"}, "from 1 to"),
    ],
)
def test_mistakes(given: dict[str, str], told: str) -> None:
    """A setting that cannot work says so, and shows no secret."""
    with pytest.raises(ConfigurationError) as error:
        read(given, {})
    assert told in str(error.value)
    assert "s3" not in str(error.value)


def test_what_doctor_says(own_redis: Server) -> None:
    """Whether it answers, and where it is, without the password."""
    environ = {"OTEL_PYTHON_SPANTAP_REDIS_URL": own_redis.url}
    (well,) = examine(environ).destinations
    own_redis.kill()
    found = examine(environ)

    assert (well.name, well.says) == ("redis", "answers")
    assert [each.what for each in found.problems] == [f"redis {well.target}: Connection refused"]
    assert PASSWORD not in repr(found)


def test_in_somebody_elses_pipeline(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made from its name, as the SDK does it, it reads the environment; or says what is missing."""
    (found,) = entry_points(group="opentelemetry_traces_exporter", name="spantap_redis")
    make: Any = found.load()
    with pytest.raises(ConfigurationError, match="REDIS_URL"):
        make()
    monkeypatch.setenv("OTEL_PYTHON_SPANTAP_REDIS_URL", redis_url)
    monkeypatch.setenv("OTEL_PYTHON_SPANTAP_REDIS_STREAM", "elsewhere")  # where no queue of ours writes
    exporter: SpanExporter = make()
    span = ReadableSpan(
        "GET", context=SpanContext(1, 2, False, TraceFlags(1)), attributes=encode(exchange()), end_time=1
    )
    assert exporter.export([span]) is SpanExportResult.SUCCESS
    exporter.shutdown()

    assert len(RedisSink(redis_url, stream="elsewhere").read()) == 1
