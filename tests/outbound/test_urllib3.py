"""What is sent with urllib3: bodies, streams, retries, proxies, failures; the app sees no difference."""

from __future__ import annotations

import gc
import http.client
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from urllib3.util import SKIP_HEADER, Retry

import spantap
from outbound.conftest import Sent
from outbound.odd_bodies import BODIES, CLEAN_PART, JSON, PART
from outbound.odd_server import CLEAN, PAYLOAD, OddServer


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize("path", ["plain", "chunked", "close", "old", "gzip"])
def test_read_ahead_or_later(
    sent: Sent, odd: OddServer, pool: urllib3.PoolManager, path: str, preload: bool
) -> None:
    """Read by urllib3 or by the app, a response of any framing is what it was, and recorded clean."""
    sent.start("urllib3")

    response = pool.request("GET", f"{odd.url}/{path}", preload_content=preload)
    assert response.data == PAYLOAD
    assert response.headers["content-type"] == "application/json"
    response.release_conn()

    exchange = sent.exchange
    assert (exchange.incomplete, exchange.error) == (None, None)
    assert exchange.response.body.content == CLEAN


def pieces(response: Any) -> bytes:
    return b"".join(iter(lambda: response.read(33), b""))


READS: dict[str, Callable[[Any], bytes]] = {
    "read": lambda response: response.read() + response.read(),
    "pieces": pieces,
    "read1": lambda response: b"".join(iter(lambda: response.read1(50), b"")),
    "stream": lambda response: b"".join(response.stream(50)),
    "as-they-come": lambda response: b"".join(response.stream(None)),
    "lines": b"".join,
    "text": lambda response: io.TextIOWrapper(response, "utf-8").read().encode(),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("path", ["plain", "chunked", "close"])
def test_however_it_is_read(
    sent: Sent, odd: OddServer, pool: urllib3.PoolManager, path: str, read: str
) -> None:
    """However the app reads, it reads the same, and the record has all of it."""
    sent.start("urllib3")

    response = pool.request("GET", f"{odd.url}/{path}", preload_content=False)
    assert READS[read](response) == PAYLOAD

    assert sent.exchange.response.body.content == CLEAN
    assert sent.exchange.incomplete is None


def test_drained(sent: Sent, odd: OddServer, pool: urllib3.PoolManager) -> None:
    """What is read to be thrown away was read, and the connection is used again."""
    sent.start("urllib3")

    for _ in range(2):
        response = pool.request("GET", f"{odd.url}/chunked", preload_content=False)
        assert response.read(5) == PAYLOAD[:5]
        response.drain_conn()
        response.release_conn()

    assert len(odd.ports) == 1
    assert [each.response.body.content for each in sent.exchanges] == [CLEAN, CLEAN]


@pytest.mark.parametrize("kind", BODIES)
def test_every_kind_of_body(sent: Sent, odd: OddServer, pool: urllib3.PoolManager, kind: str) -> None:
    """The server gets the bytes it would have got, framed as ever, and the record has them."""

    def post() -> None:
        assert pool.request("POST", odd.url, body=BODIES[kind](), headers=JSON).data == PAYLOAD

    post()
    sent.start("urllib3")
    post()

    before, asked = odd.asked
    assert asked.body == before.body == PART
    assert asked.headers.keys() - before.headers.keys() == {"traceparent"}
    assert len(odd.ports) == 1
    exchange = sent.exchange
    assert exchange.request.body.content == CLEAN_PART
    assert exchange.request.body.size == len(PART)
    assert {name: values[0] for name, values in exchange.request.headers.items()} == asked.headers


@pytest.mark.parametrize("text", ["caf\u00e9", io.StringIO("caf\u00e9")], ids=["text", "file"])
def test_text_is_utf_8(sent: Sent, odd: OddServer, pool: urllib3.PoolManager, text: Any) -> None:
    """urllib3 sends text in UTF-8; so does it still, and so are the bytes counted."""
    sent.start("urllib3")

    headers = {"Content-Type": "text/plain; charset=utf-8"}
    assert pool.request("POST", odd.url, body=text, headers=headers).data == PAYLOAD

    assert odd.asked[0].body == b"caf\xc3\xa9"
    assert (sent.exchange.request.body.content, sent.exchange.request.body.size) == ("caf\u00e9", 5)


def test_things_that_are_no_body(sent: Sent, odd: OddServer, pool: urllib3.PoolManager) -> None:
    """What urllib3 refuses, it refuses in its own words."""

    numbers: Any = [1, 2]

    def error() -> str:
        with pytest.raises(TypeError) as raised:
            pool.request("POST", odd.url, body=numbers)
        return str(raised.value)

    without = error()
    sent.start("urllib3")

    assert error() == without
    assert sent.exchange.error is not None


class Patient(Retry):
    """Waits for nothing."""

    def sleep(self, response: Any = None) -> None:
        """Not at all."""


@pytest.mark.parametrize("preload", [True, False])
def test_retries(sent: Sent, odd: OddServer, preload: bool) -> None:
    """Each attempt has a record of its own that says how many were before it."""
    sent.start("urllib3")

    with urllib3.PoolManager(retries=Patient(total=2, status_forcelist=[503])) as pool:
        response = pool.request("GET", f"{odd.url}/flaky", preload_content=preload)
        assert response.data == PAYLOAD
        assert response.retries is not None
        assert len(response.retries.history) == 2

    exchanges = sent.exchanges
    assert [each.response.status for each in exchanges] == [503, 503, 200]
    assert [each.request.resends for each in exchanges] == [0, 1, 2]


def test_retries_after_no_answer(sent: Sent, odd: OddServer) -> None:
    """An attempt that failed has a record, too; the app gets the exception it always got."""
    sent.start("urllib3")

    with (
        urllib3.PoolManager(retries=Patient(total=2)) as pool,
        pytest.raises(urllib3.exceptions.MaxRetryError),
    ):
        pool.request("GET", f"{odd.url}/nothing")

    exchanges = sent.exchanges
    assert [each.request.resends for each in exchanges] == [0, 1, 2]
    assert {each.error.type for each in exchanges if each.error} == {"http.client.RemoteDisconnected"}
    assert len(odd.asked) == 3


@pytest.mark.parametrize("by", ["manager", "pool"])
def test_redirects(sent: Sent, odd: OddServer, by: str) -> None:
    """Every hop has a record, whether the pool follows or the manager."""
    sent.start("urllib3")

    if by == "manager":
        with urllib3.PoolManager() as manager:
            assert manager.request("GET", f"{odd.url}/redirect/2").data == PAYLOAD
    else:
        with urllib3.connection_from_url(odd.url) as pool:
            assert pool.request("GET", "/redirect/2", redirect=True).data == PAYLOAD

    exchanges = sent.exchanges
    assert [each.response.status for each in exchanges] == [302, 302, 200]
    assert [each.request.resends for each in exchanges] == [0, 1, 2]


@pytest.mark.parametrize("close", [True, False])
def test_not_read_to_its_end(sent: Sent, odd: OddServer, pool: urllib3.PoolManager, close: bool) -> None:
    """Closed early, or dropped: the record has what was read, and says that the rest was not."""
    sent.start("urllib3")

    response = pool.request("GET", f"{odd.url}/chunked", preload_content=False)
    assert response.read(10) == PAYLOAD[:10]
    if close:
        response.close()
    del response
    gc.collect()

    exchange = sent.exchange
    assert exchange.incomplete == "unread_response"
    assert 10 <= exchange.response.body.size <= 100


def test_a_pool_that_is_full(sent: Sent, odd: OddServer) -> None:
    """Who waits for a connection in vain has sent nothing, and there is no record of it."""
    sent.start("urllib3")

    with urllib3.connection_from_url(odd.url, maxsize=1, block=True) as pool:
        first = pool.request("GET", "/slow", preload_content=False)
        with pytest.raises(urllib3.exceptions.EmptyPoolError):
            pool.request("GET", "/plain", pool_timeout=0.01, retries=False)
        odd.go_on.set()
        assert first.data == b'{"first":1,"second":2}'
        first.release_conn()
        assert pool.request("GET", "/plain").data == PAYLOAD

    assert [each.request.path for each in sent.exchanges] == ["/slow", "/plain"]
    assert len(odd.ports) == 1


def test_threads_share_a_pool(sent: Sent, odd: OddServer) -> None:
    """Requests of several threads over one pool are told apart."""
    sent.start("urllib3")
    got: dict[int, bytes] = {}

    with urllib3.PoolManager(maxsize=4) as pool:

        def ask(each: int) -> None:
            got[each] = pool.request("POST", f"{odd.url}/plain?n={each}", body=str(each).encode()).data

        threads = [threading.Thread(target=ask, args=(each,)) for each in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert got == dict.fromkeys(range(12), PAYLOAD)
    exchanges = sent.exchanges
    assert {each.request.query: each.request.body.size for each in exchanges} == {
        f"n={each}": len(str(each)) for each in range(12)
    }
    assert {each.headers["traceparent"].split("-")[2] for each in odd.asked} == {
        each.span_id for each in exchanges
    }


HEADERS: dict[str, Any] = {
    "dict": {"X-A": "1", "Traceparent": "stale"},
    "urllib3's": urllib3.HTTPHeaderDict([("X-A", "1"), ("X-A", "2")]),
    "skipped": {"User-Agent": SKIP_HEADER, "Accept-Encoding": SKIP_HEADER},
    "none": None,
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_of_any_kind(sent: Sent, odd: OddServer, pool: urllib3.PoolManager, kind: str) -> None:
    """What the app gives is not changed; one trace context goes out, and the record has what went."""
    given = HEADERS[kind]
    before = repr(given)
    sent.start("urllib3")

    assert pool.urlopen("GET", odd.url, headers=given).data == PAYLOAD

    assert repr(given) == before
    asked, exchange = odd.asked[0].headers, sent.exchange
    assert asked["traceparent"].startswith(f"00-{exchange.trace_id}-{exchange.span_id}-")
    assert asked.keys() == {name for name, _ in exchange.request.headers.items()}
    assert "SKIP_HEADER" not in repr(exchange)


def test_what_is_over_leaves_nothing_behind(sent: Sent, odd: OddServer) -> None:
    """A connection in its pool is as it was made."""
    sent.start("urllib3")

    with urllib3.connection_from_url(odd.url) as pool:
        assert pool.request("GET", "/plain").data == PAYLOAD
        connection = pool.pool.get() if pool.pool else None
        assert connection is not None
        assert not {"putheader", "getresponse", "response_class"} & vars(connection).keys()
        connection.close()


def test_suppressed(sent: Sent, odd: OddServer, pool: urllib3.PoolManager) -> None:
    """OpenTelemetry's own switches are honoured."""
    sent.start("urllib3")

    for suppressing in (suppress_instrumentation, suppress_http_instrumentation):
        with suppressing():
            assert pool.request("GET", odd.url).data == PAYLOAD

    assert sent.exchanges == []
    assert all("traceparent" not in asked.headers for asked in odd.asked)


@pytest.fixture
def contrib(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Switches OpenTelemetry's own instrumentation on, before ours or after it."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    theirs: Any = URLLib3Instrumentor()

    def start(first: bool, sampler: Any = None) -> None:
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(sent.exporter))
        if first:
            theirs.instrument(tracer_provider=provider)
        sent.start("urllib3", tracer_provider=provider)
        if not first:
            theirs.instrument(tracer_provider=provider)

    yield start
    spantap.uninstrument_clients()
    theirs.uninstrument()


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_beside_opentelemetrys_own(
    sent: Sent, odd: OddServer, contrib: Callable[..., None], first: bool, preload: bool
) -> None:
    """The one span of a request is theirs, with our exchange on it."""
    contrib(first)

    with urllib3.PoolManager() as pool:
        response = pool.request(
            "POST", f"{odd.url}/chunked", body=PART, headers=JSON, preload_content=preload
        )
        assert response.data == PAYLOAD

    exchange = sent.exchange
    (span,) = sent.spans
    assert span.context is not None
    assert format(span.context.span_id, "016x") == exchange.span_id
    assert odd.asked[0].headers["traceparent"].split("-")[2] == exchange.span_id
    assert exchange.response.body.content == CLEAN
    assert span.attributes is not None
    assert span.attributes["http.request.body.content"] == CLEAN_PART


@pytest.mark.parametrize("first", [True, False])
def test_beside_theirs_not_sampled(
    sent: Sent, odd: OddServer, contrib: Callable[..., None], first: bool
) -> None:
    """The exchange has the ids of the span that is not recorded."""
    contrib(first, ALWAYS_OFF)

    with urllib3.PoolManager() as pool:
        assert pool.request("GET", odd.url).data == PAYLOAD

    assert odd.asked[0].headers["traceparent"].split("-")[2] == sent.exchange.span_id


@pytest.mark.parametrize("first", [True, False])
def test_switching_both_off(sent: Sent, odd: OddServer, contrib: Callable[..., None], first: bool) -> None:
    """In the order of a stack everything is as it was; in the other nothing is captured any more."""
    owners = (urllib3.HTTPConnectionPool, urllib3.PoolManager, http.client.HTTPConnection)
    before = [dict(vars(each)) for each in owners]
    contrib(first)
    theirs: Any = URLLib3Instrumentor()

    if first:
        spantap.uninstrument_clients()
        theirs.uninstrument()
        assert [dict(vars(each)) for each in owners] == before
    else:
        spantap.uninstrument_clients()
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", odd.url).data == PAYLOAD
    if first:
        theirs.instrument()

    assert sent.exchanges == []


class Elsewhere:
    """A connection that is none of `http.client`'s: it sends by other means."""

    __slots__ = ("body", "is_closed", "is_verified", "proxy", "proxy_is_verified", "timeout")

    def __init__(self, **_: Any) -> None:
        self.is_closed, self.is_verified, self.proxy, self.timeout = False, True, None, None
        self.proxy_is_verified: bool | None = None

    def request(self, method: str, url: str, body: Any = None, **_: Any) -> None:
        """As that of urllib3's connections."""
        self.body = b"".join(body)

    def getresponse(self) -> urllib3.HTTPResponse:
        """As that of urllib3's connections."""
        return urllib3.HTTPResponse(io.BytesIO(self.body), {"X-A": "1"}, 207, preload_content=False)

    def close(self) -> None:
        """Nothing to close."""


def test_connections_of_another_kind(sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    """Who sends by other means sends as ever; the record has what can be known, and one line tells of it."""
    sent.start("urllib3")

    with urllib3.HTTPConnectionPool("elsewhere.example", retries=False) as pool:
        other: Any = Elsewhere
        pool.ConnectionCls = other
        for _ in range(2):
            response = pool.urlopen("POST", "/a", body=iter([PART]), preload_content=False)
            assert (response.status, response.read()) == (207, PART)

    exchange = sent.exchanges[0]
    assert (exchange.response.status, exchange.response.headers.first("x-a")) == (207, "1")
    assert exchange.request.body.size == len(PART)
    assert len([each for each in caplog.messages if "watching a connection" in each]) <= 1
