"""Exchanges streamed to a WebSocket collector, one that is well and one that is not."""

from __future__ import annotations

import logging
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from receivers.http import free_port
from receivers.websocket import WebSocketReceiver, receiving
from spantap.codec.record import from_record
from spantap.export.outcome import NotTakenError, RefusedError, TooLargeError, TryLaterError
from spantap.export.sink import Sink
from spantap.export.websocket import WebSocketSink
from spantap.model import Body, Exchange
from spantap.otel import retry
from spantap.otel.budget import Budget, Parcel
from spantap.otel.exporter import ExchangeAttributes, ExchangeSpan, SinkExporter
from spantap.otel.queue import Batching, DeliveryQueue
from store_writer import numbered

WAIT = 30.0


@pytest.fixture
def receiver() -> Iterator[WebSocketReceiver]:
    with receiving() as receiver:
        yield receiver


def some(count: int) -> list[Exchange]:
    return [numbered(number) for number in range(count)]


def ids(exchanges: list[Exchange]) -> list[str]:
    return [each.span_id for each in exchanges]


def queue_to(sink: Sink, **batching: float) -> DeliveryQueue:
    made: Any = {"delay": 0.02, **batching}
    return DeliveryQueue("websocket", lambda: SinkExporter(sink), Batching(**made))


def put(queue: DeliveryQueue, exchange: Exchange, budget: Budget) -> None:
    span = ExchangeSpan(name="x", attributes=ExchangeAttributes(exchange, {}))
    span.exchange, span.others = exchange, {}
    assert budget.charge(1000)
    parcel = Parcel(span, 1000, budget)
    queue.put(parcel)
    parcel.release()


@pytest.mark.parametrize("acks", [True, False])
def test_a_record_a_message(receiver: WebSocketReceiver, acks: bool) -> None:
    """Batch after batch goes over one connection, a record a message, each as the exchange it was."""
    receiver.confirms = acks
    sink = WebSocketSink(receiver.url, acks=acks)

    assert sink.write(some(3)) == {}
    assert sink.write([numbered(3)]) == {}
    sink.close()

    deadline = time.monotonic() + WAIT
    while len(receiver.messages) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [from_record(each) for each in receiver.messages] == some(4)
    assert len(receiver.handshakes) == 1


def test_many_in_one_batch(receiver: WebSocketReceiver) -> None:
    """Acks that come while a large batch is being sent do not stop it."""
    sink = WebSocketSink(receiver.url, in_flight=3000)

    assert sink.write(some(3000)) == {}
    assert receiver.ids == ids(some(3000))
    sink.close()


def test_the_token_in_the_header(receiver: WebSocketReceiver) -> None:
    """Who we are is said in the handshake."""
    sink = WebSocketSink(receiver.url, token="t0ken", client_id="shop-7")
    sink.write(some(1))
    sink.close()

    (headers,) = receiver.handshakes
    assert (headers["authorization"], headers["spantap-client-id"]) == ("Bearer t0ken", "shop-7")
    assert headers["user-agent"].startswith("spantap/")


def test_the_token_in_a_message(receiver: WebSocketReceiver) -> None:
    """Or in the first message of each connection, and then not in the handshake."""
    receiver.breaks = [2]
    sink = WebSocketSink(receiver.url, token="t0ken", token_in="message", client_id="shop-7")
    with pytest.raises(TryLaterError):
        sink.write(some(2))
    sink.write(some(2))
    sink.close()

    hello = {"token": "t0ken", "client_id": "shop-7"}
    assert [each for each in receiver.messages if "token" in each] == [hello, hello]
    assert "authorization" not in receiver.handshakes[0]
    assert "t0ken" not in sink.target


def test_what_is_rejected_is_counted(receiver: WebSocketReceiver) -> None:
    """A record the collector will not have is lost alone."""
    receiver.rejects = {numbered(1).span_id}
    sink = WebSocketSink(receiver.url)

    assert sink.write(some(3)) == {"rejected": 1}
    sink.close()


def test_what_was_confirmed_is_not_sent_again(receiver: WebSocketReceiver) -> None:
    """A collector that closes in the middle of a batch: the rest follows over the next connection."""
    receiver.leaves = [4]
    sink = WebSocketSink(receiver.url)

    with pytest.raises(TryLaterError):
        sink.write(some(10))
    assert sink.write(some(10)) == {}

    assert receiver.ids == ids(some(10))
    assert len(receiver.handshakes) == 2
    sink.close()


def test_a_collector_that_does_not_confirm(receiver: WebSocketReceiver) -> None:
    """Sent and not confirmed in time is not taken."""
    receiver.confirms = False
    sink = WebSocketSink(receiver.url, timeout=0.3)

    with pytest.raises(TryLaterError, match="does not confirm 2 of 2"):
        sink.write(some(2))


@pytest.mark.parametrize(
    ("code", "error"),
    [(1009, TooLargeError), (1008, RefusedError), (1011, TryLaterError), (1001, TryLaterError)],
)
def test_what_closing_means(receiver: WebSocketReceiver, code: int, error: type[Exception]) -> None:
    """The code a collector closes with says whether to try again, and with how much."""
    receiver.closes = [code]

    with pytest.raises(error):
        WebSocketSink(receiver.url).write(some(1))


@pytest.mark.parametrize(
    ("status", "error"),
    [(HTTPStatus.UNAUTHORIZED, RefusedError), (HTTPStatus.SERVICE_UNAVAILABLE, TryLaterError)],
)
def test_a_handshake_that_is_refused(
    receiver: WebSocketReceiver, status: HTTPStatus, error: type[Exception]
) -> None:
    """An HTTP status instead of a connection means what it means over HTTP."""
    receiver.status = status

    with pytest.raises(error, match=f"answers {status}"):
        WebSocketSink(receiver.url).write(some(1))
    assert WebSocketSink(receiver.url).probe(5) == f"answers {status}"


def test_a_redirect_to_elsewhere(receiver: WebSocketReceiver) -> None:
    """What is private goes to no other place than was said."""
    with receiving() as elsewhere:
        receiver.location = elsewhere.url

        with pytest.raises(NotTakenError):
            WebSocketSink(receiver.url, token="t0ken").write(some(1))

    assert elsewhere.messages == []
    assert all("authorization" not in headers for headers in elsewhere.handshakes)


def test_over_tls(tmp_path: Path) -> None:
    """The collector must be vouched for by whom we trust."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    with receiving(tls=context) as receiver:
        sink = WebSocketSink(receiver.url, certificate=authority.certificate)
        sink.write(some(1))
        sink.close()
        with pytest.raises(TryLaterError):
            WebSocketSink(receiver.url).write(some(2))
        assert receiver.ids == ids(some(1))


def test_the_probe(receiver: WebSocketReceiver) -> None:
    """`doctor` learns whether the collector lets us in; it is sent nothing."""
    assert WebSocketSink(receiver.url).probe(5) is None
    assert WebSocketSink(f"ws://127.0.0.1:{free_port()}").probe(5) == "Connection refused"
    assert receiver.messages == []


def test_an_outage_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector dead, then breaking off again and again, then well: each exchange arrives.

    Those whose confirmation was lost with the connection arrive twice.
    """
    monkeypatch.setattr(retry, "_SHORTEST", 0.05)
    monkeypatch.setattr(retry, "_LONGEST", 0.2)
    port, budget = free_port(), Budget(10_000_000)
    queue = queue_to(WebSocketSink(f"ws://127.0.0.1:{port}", timeout=5), max_items=50)
    for number in range(300):
        put(queue, numbered(number), budget)
    deadline = time.monotonic() + WAIT
    while not queue.stats().failures and time.monotonic() < deadline:
        time.sleep(0.01)

    with receiving(port) as receiver:
        receiver.breaks = [0, 7, 60, 1]
        assert queue.flush(WAIT)

    assert sorted(set(receiver.ids)) == ids(some(300))
    assert len(receiver.ids) < 500
    stats = queue.stats()
    assert (stats.captured, stats.exported, stats.dropped) == (300, 300, {})
    assert budget.used == 0
    queue.shutdown(1)


def test_the_library_says_nothing(receiver: WebSocketReceiver, caplog: pytest.LogCaptureFixture) -> None:
    """Where the app logs everything, there is neither what was sent nor a traceback of a torn connection."""
    caplog.set_level(logging.DEBUG)
    receiver.breaks = [2]
    sink = WebSocketSink(receiver.url)
    with pytest.raises(TryLaterError):
        sink.write(some(5))
    assert sink.write(some(5)) == {}
    sink.close()

    said = {each.name for each in caplog.records if not each.name.startswith("websockets.server")}
    assert not [name for name in said if "websockets" in name]


def test_a_record_too_large_is_lightened() -> None:
    """What the collector closes the connection for goes without its bodies; the others are whole."""
    budget = Budget(10_000_000)
    with receiving(largest=3000) as receiver:
        queue = queue_to(WebSocketSink(receiver.url), delay=60)
        for number in range(8):
            exchange = numbered(number)
            if number == 3:
                exchange = _with_body(exchange, "x" * 5000)
            put(queue, exchange, budget)
        assert queue.flush(WAIT)
        assert sorted(set(receiver.ids)) == ids(some(8))
    stats = queue.stats()
    assert (stats.exported, stats.lightened) == (8, {"bodies": 1})
    queue.shutdown(1)


def _with_body(exchange: Exchange, content: str) -> Exchange:
    return replace(exchange, request=replace(exchange.request, body=Body(content, len(content))))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system does not have")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork(receiver: WebSocketReceiver) -> None:
    """The child has a connection of its own, and the parent keeps its."""
    sink = WebSocketSink(receiver.url)
    sink.write([numbered(1)])
    child = os.fork()
    if child == 0:
        sink.write([numbered(2)])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    sink.write([numbered(3)])
    sink.close()

    assert os.waitstatus_to_exitcode(status) == 0
    assert receiver.ids == ids([numbered(1), numbered(2), numbered(3)])
    assert len(receiver.handshakes) == 2


def test_without_the_library(tmp_path: Path) -> None:
    """Where `websockets` is not installed, the setting's error says which pip install to run."""
    code = (
        "import sys; sys.modules['websockets'] = None\n"
        "import spantap\n"
        "try: spantap.configure(websocket_endpoint='ws://u:s3cr@a')\n"
        "except Exception as error: print(error)\n"
        "from spantap.export.websocket import WebSocketSink\n"
        "try: WebSocketSink('ws://a')\n"
        "except ImportError as error: print(error)\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )

    assert ran.stderr == ""
    assert ran.stdout.count('pip install "spantap[websocket]"') == 2
    assert "s3cr" not in ran.stdout
