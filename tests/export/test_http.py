"""Batches posted to an HTTP collector, one that is well and one that is not."""

from __future__ import annotations

import base64
import gzip
import os
import resource
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.sdk.trace import ReadableSpan

from certificates import Authority
from receivers.http import OK, Answer, HTTPReceiver, Request, free_port
from spantap.codec.record import from_record, to_record
from spantap.export.http import HTTPSink
from spantap.export.outcome import RefusedError, TooLargeError, TryLaterError
from spantap.export.sink import Sink
from spantap.model import Exchange
from spantap.otel import retry
from spantap.otel.budget import Budget, Parcel
from spantap.otel.exporter import ExchangeAttributes, ExchangeSpan, SinkExporter
from spantap.otel.queue import Batching, DeliveryQueue
from store_writer import numbered

WAIT = 30.0


@pytest.fixture
def receiver() -> Iterator[HTTPReceiver]:
    with HTTPReceiver() as receiver:
        yield receiver


def queue_to(sink: Sink, **batching: float) -> DeliveryQueue:
    made: Any = {"delay": 0.02, **batching}
    return DeliveryQueue("http", lambda: SinkExporter(sink), Batching(**made))


def put(queue: DeliveryQueue, exchange: Exchange, budget: Budget) -> None:
    span = ExchangeSpan(name="x", attributes=ExchangeAttributes(exchange, {}))
    span.exchange, span.others = exchange, {}
    assert budget.charge(1000)
    parcel = Parcel(span, 1000, budget)
    queue.put(parcel)
    parcel.release()


def ids(requests: list[Request]) -> list[str]:
    return [each["span_id"] for request in requests for each in orjson.loads(request.body)]


def test_an_array_of_records(receiver: HTTPReceiver) -> None:
    """The default is a JSON array; each record reads back as the exchange it was."""
    sink = HTTPSink(f"{receiver.url}/in?kind=a")

    assert sink.write([numbered(1), numbered(2)]) == {}
    sink.close()

    (request,) = receiver.requests
    assert (request.path, request.headers["content-type"]) == ("/in?kind=a", "application/json")
    assert [from_record(each) for each in orjson.loads(request.body)] == [numbered(1), numbered(2)]


def test_one_record_a_line(receiver: HTTPReceiver) -> None:
    """ndjson has a record on each line."""
    HTTPSink(receiver.url, format="ndjson").write([numbered(1), numbered(2)])

    (request,) = receiver.requests
    assert request.headers["content-type"] == "application/x-ndjson"
    assert [orjson.loads(line) for line in request.body.splitlines()] == [
        to_record(numbered(1)),
        to_record(numbered(2)),
    ]


def test_a_format_of_somebody_elses(
    receiver: HTTPReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A format is an object, or a name that an installed package gives to one."""
    (tmp_path / "counting.py").write_text(
        "class Counting:\n"
        "    media_type = 'text/plain'\n"
        "    def encode(self, exchanges):\n"
        "        return b'%d' % len(exchanges)\n"
        "counting = Counting()\n"
    )
    info = tmp_path / "counting-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[spantap_format]\ncounting = counting:counting\n")
    monkeypatch.syspath_prepend(tmp_path)

    HTTPSink(receiver.url, format="counting").write([numbered(1), numbered(2)])

    (request,) = receiver.requests
    assert (request.headers["content-type"], request.body) == ("text/plain", b"2")
    monkeypatch.delitem(sys.modules, "counting")


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compression(receiver: HTTPReceiver, compression: str) -> None:
    """A batch is packed as asked, and says so."""
    HTTPSink(receiver.url, compression=compression).write([numbered(1)])

    (request,) = receiver.requests
    assert request.headers["content-encoding"] == compression
    assert ids([request]) == [numbered(1).span_id]


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    ("before", "arguments", "sent"),
    [
        ("", {}, None),
        ("", {"token": "t0ken"}, "Bearer t0ken"),
        ("us%40er:p%3Ass@", {}, basic("us@er:p:ss")),
        ("k3y@", {}, "Bearer k3y"),
        (":p@", {}, basic(":p")),
        ("", {"headers": {"Authorization": "Own x"}}, "Own x"),
    ],
)
def test_who_we_are(
    receiver: HTTPReceiver,
    before: str,
    arguments: dict[str, Any],
    sent: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Token, Basic, the key of a DSN, a header of one's own; never what ~/.netrc has for the host."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    sink = HTTPSink(receiver.url.replace("://", f"://{before}"), **arguments)

    sink.write([numbered(1)])

    assert receiver.requests[0].headers.get("authorization") == sent
    shown = f"{sink.target} {sink!r} {vars(sink)['_address']!r}"
    for secret in ("t0ken", "k3y", "p%3Ass", "p:ss"):
        assert secret not in shown


def test_headers_and_client_id(receiver: HTTPReceiver) -> None:
    """Further headers go along; those that say what the body is are ours."""
    HTTPSink(receiver.url, headers={"X-Team": "a", "Content-Type": "text/html"}, client_id="shop-7").write(
        [numbered(1)]
    )

    headers = receiver.requests[0].headers
    assert (headers["x-team"], headers["spantap-client-id"]) == ("a", "shop-7")
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("spantap/")


def test_one_connection(receiver: HTTPReceiver) -> None:
    """Batch after batch goes over the same connection, refused ones too."""
    receiver.answers = [OK, Answer(503, body=b"busy" * 1000), OK]
    sink = HTTPSink(receiver.url)
    sink.write([numbered(1)])
    with pytest.raises(TryLaterError):
        sink.write([numbered(2)])
    sink.write([numbered(3)])
    sink.close()

    assert len({request.connection for request in receiver.requests}) == 1


def test_a_batch_has_one_key(receiver: HTTPReceiver) -> None:
    """The same exchanges have the same Idempotency-Key, whoever sends them; others another."""
    for number in (1, 1, 2):
        HTTPSink(receiver.url).write([numbered(number)])

    first, second, third = (request.headers["idempotency-key"] for request in receiver.requests)
    assert first == second != third
    assert first[0] == first[-1] == '"'


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        *((Answer(status), TryLaterError) for status in (408, 429, 500, 502, 503, 504)),
        (Answer(413), TooLargeError),
        *((Answer(status), RefusedError) for status in (400, 401, 403, 404, 307)),
        (Answer(reset=True), TryLaterError),
    ],
)
def test_what_answers_mean(receiver: HTTPReceiver, answer: Answer, error: type[Exception]) -> None:
    """Each failure is told as what it is; a redirect is not followed with what is private."""
    receiver.answers = [answer]
    if answer.status == 307:
        answer.headers["location"] = f"{receiver.url}/elsewhere"

    with pytest.raises(error):
        HTTPSink(receiver.url).write([numbered(1)])
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (b'{"rejected": 1, "duplicates": 2}', {"rejected": 1, "duplicate": 2}),
        (b'{"rejected": 9}', {"rejected": 3}),
        (b'{"rejected": "many"}', {}),
        (b'{"rejected": -1}', {}),
        (b'{"rejected": true}', {}),
        (b"[]", {}),
        (b"{", {}),
        (b"", {}),
    ],
)
def test_partial_success(receiver: HTTPReceiver, said: bytes, counts: dict[str, int]) -> None:
    """What a collector says it did not keep is counted, never more than it was sent."""
    receiver.answers = [Answer(200, {"content-type": "application/json; charset=utf-8"}, said)]

    assert HTTPSink(receiver.url).write([numbered(n) for n in range(3)]) == counts


def test_a_silent_collector(receiver: HTTPReceiver) -> None:
    """A collector that takes and never answers is given up after the time-out."""
    receiver.answers = [Answer(delay=20)]

    with pytest.raises(TryLaterError):
        HTTPSink(receiver.url, timeout=0.2).write([numbered(1)])


def test_nobody_there() -> None:
    """A port nobody listens on is tried later; the error says what is wrong, not where."""
    with pytest.raises(TryLaterError, match="Connection refused"):
        HTTPSink(f"http://127.0.0.1:{free_port()}", timeout=5).write([numbered(1)])


def test_over_tls(tmp_path: Path) -> None:
    """The collector must be vouched for by whom we trust, and we show who we are when it asks."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    ours, key = authority.issue("127.0.0.2")
    with HTTPReceiver(tls=context) as receiver:
        trusting: Any = {"certificate": authority.certificate, "timeout": 5.0}
        HTTPSink(receiver.url, **trusting, client_certificate=ours, client_key=key).write([numbered(1)])
        with pytest.raises(TryLaterError):
            HTTPSink(receiver.url, **trusting).write([numbered(2)])
        with pytest.raises(TryLaterError):
            HTTPSink(receiver.url, timeout=5, client_certificate=ours, client_key=key).write([numbered(3)])

        assert ids(receiver.requests) == [numbered(1).span_id]


def test_through_a_proxy(receiver: HTTPReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY and NO_PROXY mean what they mean everywhere."""
    monkeypatch.setenv("http_proxy", receiver.url)
    HTTPSink("http://collector.invalid/in").write([numbered(1)])

    assert receiver.requests[0].path == "http://collector.invalid/in"
    monkeypatch.setenv("no_proxy", "collector.invalid")
    with pytest.raises(TryLaterError):
        HTTPSink("http://collector.invalid/in", timeout=5).write([numbered(1)])


def test_the_probe(receiver: HTTPReceiver) -> None:
    """`doctor` learns whether the collector takes an empty batch, or what it answers."""
    receiver.answers = [OK, Answer(401), Answer(400)]
    sink = HTTPSink(receiver.url)

    assert [sink.probe(5), sink.probe(5), sink.probe(5)] == [None, "answers 401", None]
    assert receiver.requests[0].body == b"[]"
    assert HTTPSink(f"http://127.0.0.1:{free_port()}").probe(5) == "Connection refused"


@pytest.mark.parametrize(
    "text", ["", "collector", "ftp://a", "http://", "http://a:0", "http://a b", "http://a#b"]
)
def test_addresses_that_are_none(text: str) -> None:
    """What cannot be a collector's address is told at once, and not quoted: it may hold a secret."""
    with pytest.raises(ValueError, match=r"URL|fragment"):
        HTTPSink(text)


def test_an_outage_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector dead, then failing in every way, then well: each exchange once but for what was torn."""
    monkeypatch.setattr(retry, "_SHORTEST", 0.05)
    monkeypatch.setattr(retry, "_LONGEST", 0.2)
    port, budget = free_port(), Budget(10_000_000)
    queue = queue_to(HTTPSink(f"http://127.0.0.1:{port}"), max_items=50)
    for number in range(300):
        put(queue, numbered(number), budget)
    deadline = time.monotonic() + WAIT
    while not queue.stats().failures and time.monotonic() < deadline:
        time.sleep(0.01)

    torn = Answer(reset=True)
    with HTTPReceiver(Answer(503), torn, Answer(429, {"retry-after": "0"}), OK, torn, port=port) as receiver:
        assert queue.flush(WAIT)
        by_key = {request.headers["idempotency-key"]: request for request in receiver.taken}
        sent_again = len(receiver.taken) - len(by_key)

    assert sorted(ids(list(by_key.values()))) == sorted(numbered(n).span_id for n in range(300))
    assert sent_again == 2
    stats = queue.stats()
    assert (stats.captured, stats.exported, stats.dropped) == (300, 300, {})
    assert budget.used == 0
    queue.shutdown(1)


def test_a_batch_too_large_is_cut(receiver: HTTPReceiver) -> None:
    """413 for a batch: all of it arrives, in smaller ones, none twice."""
    receiver.decide = lambda request: OK if len(request.body) < 3000 else Answer(413)
    queue, budget = queue_to(HTTPSink(receiver.url), delay=60), Budget(10_000_000)
    for number in range(40):
        put(queue, numbered(number), budget)

    assert queue.flush(WAIT)
    assert ids(receiver.taken) == [numbered(n).span_id for n in range(40)]
    queue.shutdown(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system does not have")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork(receiver: HTTPReceiver) -> None:
    """The child has a connection of its own, and the parent keeps its."""
    sink = HTTPSink(receiver.url)
    sink.write([numbered(1)])
    child = os.fork()
    if child == 0:
        sink.write([numbered(2)])
        sink.close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    sink.write([numbered(3)])
    sink.close()

    assert os.waitstatus_to_exitcode(status) == 0
    connections = [request.connection for request in receiver.requests]
    assert connections[0] == connections[2] != connections[1]


def test_spans_that_are_no_exchanges(receiver: HTTPReceiver) -> None:
    """Behind a span processor of the SDK, spans without an exchange are passed over."""
    SinkExporter(HTTPSink(receiver.url)).export([ReadableSpan("select")])

    assert receiver.requests == []


def test_a_redirect_is_not_unpacked(receiver: HTTPReceiver) -> None:
    """What a redirect brings along is not read, whatever it unpacks to: it is refused all the same."""
    packed = gzip.compress(bytes(200_000_000))
    receiver.decide = lambda request: Answer(
        302, {"Location": "http://127.0.0.1:1/", "Content-Encoding": "gzip"}, packed
    )
    sink = HTTPSink(receiver.url)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RefusedError):
        sink.write([numbered(1)])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB
