"""What is sent with urllib: bodies, redirects, challenges, proxies, failures; the app sees no difference."""

from __future__ import annotations

import gc
import gzip
import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import spantap
from outbound.conftest import Sent
from outbound.odd_bodies import BODIES, CLEAN_PART, JSON, PART
from outbound.odd_server import CLEAN, PAYLOAD, OddServer

opening = urllib.request.urlopen


def lines(response: Any) -> bytes:
    return b"".join(response)


def pieces(response: Any) -> bytes:
    return b"".join(iter(lambda: response.read(33), b""))


def filled(response: Any) -> bytes:
    taken, buffer = b"", bytearray(70)
    while count := response.readinto(buffer):
        taken += buffer[:count]
    return taken


def at_once(response: Any) -> bytes:
    return b"".join(iter(lambda: response.read1(50), b""))


def readlines(response: Any) -> bytes:
    return b"".join(iter(response.readline, b""))


def whole(response: Any) -> bytes:
    assert response.peek(1) in (b"", *(PAYLOAD[:count] for count in range(1, len(PAYLOAD) + 1)))
    taken = response.read()
    assert response.read() == b""
    return bytes(taken)


@pytest.mark.parametrize("read", [whole, pieces, lines, filled, at_once, readlines])
@pytest.mark.parametrize("path", ["plain", "chunked", "close", "old"])
def test_however_it_is_read(sent: Sent, odd: OddServer, path: str, read: Callable[[Any], bytes]) -> None:
    """A response of any framing, read in any way, is read as ever and recorded whole and clean."""
    sent.start("urllib")

    with opening(f"{odd.url}/{path}?token=s3cret-of-ours") as response:
        assert type(response) is http.client.HTTPResponse
        assert (response.status, response.headers["content-type"]) == (200, "application/json")
        assert read(response) == PAYLOAD

    exchange = sent.exchange
    assert (exchange.direction, exchange.incomplete, exchange.error) == ("outbound", None, None)
    assert (exchange.request.path, exchange.request.query) == (f"/{path}", "token=REDACTED")
    assert exchange.response.body.content == CLEAN
    assert exchange.response.body.size == len(PAYLOAD)


def test_compressed(sent: Sent, odd: OddServer) -> None:
    """What came compressed stays so for the app; the record can be read."""
    sent.start("urllib")

    with opening(f"{odd.url}/gzip") as response:
        assert gzip.decompress(response.read()) == PAYLOAD

    assert sent.exchange.response.body.content == CLEAN


@pytest.mark.parametrize("kind", BODIES)
def test_every_kind_of_body(sent: Sent, odd: OddServer, kind: str) -> None:
    """The server gets the bytes it would have got, framed as ever, and the record has them."""

    def post() -> None:
        with opening(urllib.request.Request(odd.url, data=BODIES[kind](), headers=JSON)) as response:
            assert response.read() == PAYLOAD

    post()
    sent.start("urllib")
    post()

    before, asked = odd.asked
    assert (asked.method, asked.body) == (before.method, before.body) == ("POST", PART)
    assert asked.headers.keys() - before.headers.keys() == {"traceparent"}
    exchange = sent.exchange
    assert exchange.request.body.content == CLEAN_PART
    assert exchange.request.body.size == len(PART)
    assert {name: values[0] for name, values in exchange.request.headers.items()} == {
        **asked.headers,
    }


def test_text_files_are_latin_1(sent: Sent, odd: OddServer, tmp_path: Path) -> None:
    """`http.client` sends text files in ISO 8859-1; so does it still, and so are the bytes counted."""
    file = tmp_path / "text"
    file.write_text("caf\u00e9", encoding="utf-8")
    sent.start("urllib")

    with file.open(encoding="utf-8") as opened:
        text: Any = opened
        opening(urllib.request.Request(odd.url, data=text, headers={"Content-Type": "text/plain"})).close()

    assert odd.asked[0].body == b"caf\xe9"
    assert sent.exchange.request.body.size == 4


def test_an_error_has_its_body(sent: Sent, odd: OddServer) -> None:
    """A status from 400 on is an exception whose body the app reads; the record has it."""
    sent.start("urllib")

    with pytest.raises(urllib.error.HTTPError) as raised:
        opening(f"{odd.url}/status/404")
    with raised.value as error:
        assert error.read() == b'{"why":"no","token":"s3cret-of-theirs"}'

    exchange = sent.exchange
    assert exchange.response.status == 404
    assert exchange.response.body.content == '{"why":"no","token":"[REDACTED]"}'
    assert exchange.error is not None
    assert exchange.error.type == "404"


def test_each_redirect_is_a_request(sent: Sent, odd: OddServer) -> None:
    """Every hop has a record of its own, which says how many were before it, and carries its own context."""
    sent.start("urllib")

    with opening(f"{odd.url}/redirect/2") as response:
        assert (response.read(), response.url) == (PAYLOAD, f"{odd.url}/plain?token=s3cret-of-theirs")

    exchanges = sent.exchanges
    assert [each.response.status for each in exchanges] == [302, 302, 200]
    assert [each.request.resends for each in exchanges] == [0, 1, 2]
    assert [each.response.body.content for each in exchanges] == ['{"moved":true}', '{"moved":true}', CLEAN]
    assert [each.span_id for each in exchanges] == [
        each.headers["traceparent"].split("-")[2] for each in odd.asked
    ]


def test_a_challenge_that_is_answered(sent: Sent, odd: OddServer) -> None:
    """An auth handler asks again: two requests, the second a repetition; the password is in no record."""
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, odd.url, "ada", "s3cret-of-ours")
    sent.start("urllib")

    for path, handler in (
        ("basic", urllib.request.HTTPBasicAuthHandler(passwords)),
        ("digest", urllib.request.HTTPDigestAuthHandler(passwords)),
    ):
        with urllib.request.build_opener(handler).open(f"{odd.url}/{path}") as response:
            assert response.read() == PAYLOAD

    exchanges = sent.exchanges
    assert [(each.response.status, each.request.resends) for each in exchanges] == [(401, 0), (200, 1)] * 2
    assert exchanges[1].request.headers.first("authorization") == "Basic [REDACTED]"
    assert len({each.trace_id for each in exchanges}) == 4


@pytest.mark.parametrize(("method", "path"), [("HEAD", "plain"), ("GET", "empty/204")])
def test_no_body(sent: Sent, odd: OddServer, method: str, path: str) -> None:
    """Responses that have none are over when their headers are there."""
    sent.start("urllib")

    with opening(urllib.request.Request(f"{odd.url}/{path}", method=method)) as response:
        assert response.read() == b""

    exchange = sent.exchange
    assert (exchange.incomplete, exchange.response.body.size) == (None, 0)


@pytest.mark.parametrize("read", [0, 10])
@pytest.mark.parametrize("close", [True, False])
def test_not_read_to_its_end(sent: Sent, odd: OddServer, read: int, close: bool) -> None:
    """Closed early, or dropped: the record has what was read, and says that the rest was not."""
    sent.start("urllib")

    response = opening(f"{odd.url}/chunked")
    assert response.read(read) == PAYLOAD[:read]
    if close:
        response.close()
    del response
    gc.collect()

    exchange = sent.exchange
    assert exchange.incomplete == "unread_response"
    assert exchange.response.body.size == read


def test_while_it_streams(sent: Sent, odd: OddServer) -> None:
    """The first part is the app's before there is a second; there is a record when there is an end."""
    sent.start("urllib")

    with opening(f"{odd.url}/slow") as response:
        assert response.read(11) == b'{"first":1,'
        assert sent.exchanges == []
        odd.go_on.set()
        assert response.read() == b'"second":2}'

    assert sent.exchange.response.body.content == '{"first":1,"second":2}'


def test_other_schemes_are_left_alone(sent: Sent, tmp_path: Path) -> None:
    """What is no HTTP is no exchange."""
    (tmp_path / "file").write_text("here")
    sent.start("urllib")

    with opening("data:text/plain,here") as data, opening((tmp_path / "file").as_uri()) as file:
        assert (data.read(), file.read()) == (b"here", b"here")

    assert sent.exchanges == []


def test_connections_of_the_apps_own(sent: Sent, odd: OddServer) -> None:
    """A handler may make its connections with any callable, as those for SOCKS proxies do."""

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            def build(host: str, **arguments: Any) -> http.client.HTTPConnection:
                connection = http.client.HTTPConnection(host, **arguments)
                connection.sock = socket.create_connection(odd.address.split(":"))  # type: ignore[arg-type]
                return connection

            return self.do_open(build, req)

    sent.start("urllib")

    with urllib.request.build_opener(Handler).open("http://elsewhere.example/plain") as response:
        assert response.read() == PAYLOAD

    assert sent.exchange.server.address == "elsewhere.example"


def test_the_apps_own_context_is_not_doubled(sent: Sent, odd: OddServer) -> None:
    """One trace context goes over the wire, that of the span; what the app's request says stays as it is."""
    request = urllib.request.Request(odd.url, headers={"Traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    sent.start("urllib")

    opening(request).close()

    assert odd.asked[0].headers["traceparent"].split("-")[2] == sent.exchange.span_id
    assert request.get_header("Traceparent") == f"00-{'1' * 32}-{'2' * 16}-01"


def test_suppressed(sent: Sent, odd: OddServer) -> None:
    """OpenTelemetry's own switches are honoured."""
    sent.start("urllib")

    for suppressing in (suppress_instrumentation, suppress_http_instrumentation):
        with suppressing(), opening(odd.url) as response:
            assert response.read() == PAYLOAD

    assert sent.exchanges == []
    assert all("traceparent" not in asked.headers for asked in odd.asked)


def test_excluded(sent: Sent, odd: OddServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's variable for this client leaves URLs out."""
    monkeypatch.setenv("OTEL_PYTHON_URLLIB_EXCLUDED_URLS", "/gzip$")
    sent.start("urllib")

    for path in ("gzip", "plain"):
        opening(f"{odd.url}/{path}").close()

    assert sent.exchange.request.path == "/plain"


def test_not_sampled(sent: Sent, odd: OddServer) -> None:
    """Kept for stores, and the next server is told that the trace is not sampled."""
    sent.start("urllib", tracer_provider=TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))

    with opening(odd.url) as response:
        assert response.read() == PAYLOAD

    exchange = sent.exchange
    assert not exchange.sampled
    _, trace, span, flags = odd.asked[0].headers["traceparent"].split("-")
    assert (trace, span) == (exchange.trace_id, exchange.span_id)
    assert not int(flags, 16) & 1


def test_switching_off(sent: Sent, odd: OddServer) -> None:
    """Afterwards every function is the object it was."""
    owners = (urllib.request.AbstractHTTPHandler, urllib.request.OpenerDirector, http.client.HTTPConnection)
    before = [dict(vars(each)) for each in owners]
    sent.start("urllib")
    assert [dict(vars(each)) for each in owners] != before

    spantap.uninstrument_clients()

    assert [dict(vars(each)) for each in owners] == before
    with opening(odd.url) as response:
        assert response.read() == PAYLOAD
        assert type(response) is http.client.HTTPResponse
    assert sent.exchanges == []


@pytest.fixture
def contrib(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Switches OpenTelemetry's own instrumentation on, before ours or after it."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    theirs = URLLibInstrumentor()

    def start(first: bool, sampler: Any = None) -> None:
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(sent.exporter))
        if first:
            theirs.instrument(tracer_provider=provider)
        sent.start("urllib", tracer_provider=provider)
        if not first:
            theirs.instrument(tracer_provider=provider)

    yield start
    spantap.uninstrument_clients()
    theirs.uninstrument()


@pytest.mark.parametrize("first", [True, False])
def test_beside_opentelemetrys_own(
    sent: Sent, odd: OddServer, contrib: Callable[..., None], first: bool
) -> None:
    """The one span of the first request is theirs, with our exchange on it; a redirect is beneath it."""
    contrib(first)

    with opening(f"{odd.url}/redirect/1") as response:
        assert response.read() == PAYLOAD

    hop, last = sent.exchanges
    spans = {format(each.context.span_id, "016x"): each for each in sent.spans if each.context}
    assert set(spans) == {hop.span_id, last.span_id}
    assert spans[hop.span_id].instrumentation_scope.name == "opentelemetry.instrumentation.urllib"  # type: ignore[union-attr]
    assert (hop.request.resends, last.request.resends) == (0, 1)
    assert last.parent_span_id == hop.span_id
    assert last.response.body.content == CLEAN
    assert [each.headers["traceparent"].split("-")[2] for each in odd.asked] == [hop.span_id, last.span_id]


@pytest.mark.parametrize("first", [True, False])
def test_beside_theirs_not_sampled(
    sent: Sent, odd: OddServer, contrib: Callable[..., None], first: bool
) -> None:
    """The exchange has the ids of the span that is not recorded."""
    contrib(first, ALWAYS_OFF)

    with opening(odd.url) as response:
        assert response.read() == PAYLOAD

    assert odd.asked[0].headers["traceparent"].split("-")[2] == sent.exchange.span_id
