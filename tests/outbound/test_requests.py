"""What is sent with requests: bodies, streams, redirects, challenges, retries; the app sees no difference."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import HTTPBasicAuth, HTTPDigestAuth
from urllib3.util import Retry

import spantap
from outbound.conftest import Sent
from outbound.odd_bodies import BODIES, CLEAN_PART, JSON, PART
from outbound.odd_server import CLEAN, PAYLOAD, OddServer


def raw_pieces(response: requests.Response) -> bytes:
    return b"".join(iter(lambda: response.raw.read(33), b""))


def raw_into(response: requests.Response) -> bytes:
    taken, buffer = b"", bytearray(70)
    while count := response.raw.readinto(buffer):
        taken += buffer[:count]
    return taken


READS: dict[str, Callable[[requests.Response], bytes]] = {
    "content": lambda response: response.content,
    "iter_content": lambda response: b"".join(response.iter_content(7)),
    "iter_content-as-it-comes": lambda response: b"".join(response.iter_content(None)),
    "iter_lines": lambda response: b"".join(line + b"\n" for line in response.iter_lines(64)),
    "raw.read": lambda response: response.raw.read(decode_content=False),
    "raw.read-pieces": raw_pieces,
    "raw.read1": lambda response: b"".join(iter(lambda: response.raw.read1(50), b"")),
    "raw.readinto": raw_into,
    "raw.stream": lambda response: b"".join(response.raw.stream(50)),
    "raw-lines": lambda response: b"".join(response.raw),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("path", ["plain", "chunked", "close", "old"])
def test_however_it_is_read(sent: Sent, odd: OddServer, path: str, read: str) -> None:
    """A streamed response of any framing, read in any way, is read as ever and recorded whole and clean."""
    sent.start("requests")

    with requests.get(f"{odd.url}/{path}?token=s3cret-of-ours", stream=True) as response:
        assert READS[read](response) == PAYLOAD

    exchange = sent.exchange
    assert (exchange.incomplete, exchange.error) == (None, None)
    assert (exchange.request.path, exchange.request.query) == (f"/{path}", "token=REDACTED")
    assert exchange.response.body.content == CLEAN
    assert exchange.response.body.size == len(PAYLOAD)


def test_chunks_as_they_are(sent: Sent, odd: OddServer) -> None:
    """`raw.read_chunked` gives the server's chunks, each as it was sent."""
    sent.start("requests")

    with requests.get(f"{odd.url}/chunked", stream=True) as response:
        chunks = list(response.raw.read_chunked())

    assert chunks == [PAYLOAD[at : at + 100] for at in range(0, len(PAYLOAD), 100)]
    assert sent.exchange.response.body.content == CLEAN


@pytest.mark.parametrize("decoded", [True, False])
def test_compressed(sent: Sent, odd: OddServer, decoded: bool) -> None:
    """The app gets it unpacked, or as it came; the record can be read."""
    sent.start("requests")

    with requests.get(f"{odd.url}/gzip", stream=True) as response:
        taken = response.raw.read(decode_content=decoded)

    assert taken == PAYLOAD if decoded else taken[:2] == b"\x1f\x8b"
    assert sent.exchange.response.body.content == CLEAN


@pytest.mark.parametrize("kind", BODIES)
def test_every_kind_of_body(sent: Sent, odd: OddServer, kind: str) -> None:
    """The server gets the bytes it would have got, framed as ever, and the record has them."""

    def post() -> Any:
        try:
            return requests.post(odd.url, data=BODIES[kind](), headers=JSON).content
        except Exception as error:
            return type(error), str(error)  # some kinds are none to requests

    before = post()
    sent.start("requests")

    assert post() == before
    if len(odd.asked) == 2:
        first, second = odd.asked
        assert first.body == second.body
        assert second.headers.keys() - first.headers.keys() == {"traceparent"}
        assert sent.exchange.request.body.size == len(second.body)
    if before == PAYLOAD and odd.asked[0].body == PART:
        assert sent.exchange.request.body.content == CLEAN_PART


def test_most_kinds_are_sent_as_they_are(odd: OddServer) -> None:
    """The test above is not about exceptions alone."""
    sent = 0
    for make in BODIES.values():
        try:
            sent += requests.post(odd.url, data=make(), headers=JSON).content == PAYLOAD
        except Exception as error:
            print(error)
    assert sent >= 7
    assert [each.body for each in odd.asked].count(PART) >= 7


def test_json_forms_and_files(sent: Sent, odd: OddServer, tmp_path: Path) -> None:
    """What requests makes of its arguments is sent as ever; of files their names and sizes are kept."""
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(range(256)) * 20)
    sent.start("requests")

    assert requests.post(odd.url, json={"password": "s3cret-of-ours", "n": 1}).content == PAYLOAD
    assert requests.post(odd.url, data={"password": "s3cret-of-ours", "n": 1}).content == PAYLOAD
    with file.open("rb") as opened:
        files = {"upload": ("a.bin", opened, "application/octet-stream")}
        assert requests.post(odd.url, data={"n": "1"}, files=files).content == PAYLOAD

    assert json.loads(odd.asked[0].body) == {"password": "s3cret-of-ours", "n": 1}
    assert odd.asked[1].body == b"password=s3cret-of-ours&n=1"
    assert file.read_bytes() in odd.asked[2].body
    as_json, form, multipart = sent.exchanges
    assert as_json.request.body.content == '{"password": "[REDACTED]", "n": 1}'
    assert form.request.body.content == "password=[REDACTED]&n=1"
    assert "a.bin" in str(multipart.request.body.content)
    assert multipart.request.body.size == len(odd.asked[2].body)


@pytest.mark.filterwarnings("ignore::requests.exceptions.FileModeWarning")
@pytest.mark.parametrize("mode", ["rb", "r"])
def test_files(sent: Sent, odd: OddServer, tmp_path: Path, mode: str) -> None:
    """A file goes as it is, opened either way, with the length requests has found."""
    file = tmp_path / "a.json"
    file.write_bytes(PART)
    sent.start("requests")

    with file.open(mode) as opened:
        body: Any = opened
        assert requests.put(odd.url, data=body, headers=JSON).content == PAYLOAD

    (asked,) = odd.asked
    assert (asked.body, asked.headers["content-length"]) == (PART, str(len(PART)))
    assert sent.exchange.request.body.content == CLEAN_PART


def test_a_generator_that_raises(sent: Sent, odd: OddServer) -> None:
    """Its exception is the app's, and on the record."""

    def body() -> Iterator[bytes]:
        yield b"a"
        raise LookupError("no more of token=s3cret-of-ours")

    sent.start("requests")

    with pytest.raises(LookupError, match="no more of token=s3cret-of-ours"):
        requests.post(odd.url, data=body())

    exchange = sent.exchange
    assert exchange.error is not None
    assert exchange.error.type == "LookupError"
    assert "s3cret" not in repr(exchange)
    assert exchange.request.body.size == 1


class Patient(Retry):
    """Notes how long it was told to wait, and does not."""

    waited: list[Any] = []  # noqa: RUF012 - one for all of its copies

    def sleep_for_retry(self, response: Any) -> bool:
        self.waited.append(self.get_retry_after(response))
        return True


@pytest.mark.parametrize("body", [PART, io.BytesIO(PART)], ids=["bytes", "file"])
def test_retries(sent: Sent, odd: OddServer, body: Any) -> None:
    """Each attempt has a record of its own that says how many were before it; `Retry-After` is honoured."""
    Patient.waited.clear()
    session = requests.Session()
    retry = Patient(total=2, status_forcelist=[503], allowed_methods=None)
    session.mount("http://", HTTPAdapter(max_retries=retry))
    sent.start("requests")

    with session:
        assert session.post(f"{odd.url}/flaky", data=body, headers=JSON).content == PAYLOAD

    assert Patient.waited == [7, 7]
    assert [each.body for each in odd.asked] == [PART] * 3
    assert len(odd.ports) == 1
    exchanges = sent.exchanges
    assert [each.response.status for each in exchanges] == [503, 503, 200]
    assert [each.request.resends for each in exchanges] == [0, 1, 2]
    assert [each.request.body.content for each in exchanges] == [CLEAN_PART] * 3
    assert exchanges[0].response.body.content == '{"later":true}'
    spans = [each.headers["traceparent"].split("-")[2] for each in odd.asked]
    assert spans == [each.span_id for each in exchanges]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [302, 307])
def test_redirects(sent: Sent, odd: OddServer, status: int, stream: bool) -> None:
    """Every hop has a record; the app's history is as ever."""
    sent.start("requests")

    with requests.post(f"{odd.url}/redirect/2?status={status}", data=PART, stream=stream) as response:
        assert response.content == PAYLOAD
        assert [each.status_code for each in response.history] == [status] * 2
        assert [each.content for each in response.history] == [b'{"moved":true}'] * 2

    exchanges = sent.exchanges
    assert [each.request.resends for each in exchanges] == [0, 1, 2]
    assert [each.request.method for each in exchanges] == [each.method for each in odd.asked]
    assert [each.request.body.size for each in exchanges] == [len(each.body) for each in odd.asked]
    assert exchanges[-1].request.query == "token=REDACTED"


@pytest.mark.parametrize("auth", [HTTPBasicAuth, HTTPDigestAuth])
def test_challenges(sent: Sent, odd: OddServer, auth: Any) -> None:
    """A challenge that is answered is a request more; the password is in no record."""
    path = "digest" if auth is HTTPDigestAuth else "basic"
    sent.start("requests")

    response = requests.post(f"{odd.url}/{path}", data=io.BytesIO(PART), auth=auth("ada", "s3cret-of-ours"))

    assert response.content == PAYLOAD
    exchanges = sent.exchanges
    assert [each.response.status for each in exchanges] == ([401, 200] if path == "digest" else [200])
    assert [each.request.resends for each in exchanges] == list(range(len(exchanges)))
    assert [each.body for each in odd.asked] == [PART] * len(exchanges)
    assert str(exchanges[-1].request.headers.first("authorization")).endswith("[REDACTED]")
    assert "s3cret" not in repr(exchanges)


@pytest.mark.parametrize("read", [0, 10])
@pytest.mark.parametrize("close", [True, False])
def test_not_read_to_its_end(sent: Sent, odd: OddServer, read: int, close: bool) -> None:
    """Closed early, or dropped: the record has what was read, and says that the rest was not."""
    sent.start("requests")

    response = requests.get(f"{odd.url}/plain", stream=True)
    assert response.raw.read(read) == PAYLOAD[:read]
    if close:
        response.close()
    del response
    gc.collect()

    exchange = sent.exchange
    assert exchange.incomplete == "unread_response"
    assert exchange.response.body.size == read


def test_while_it_streams(sent: Sent, odd: OddServer) -> None:
    """The first part is the app's before there is a second."""
    sent.start("requests")

    with requests.get(f"{odd.url}/slow", stream=True) as response:
        pieces = response.iter_content(None)
        assert next(pieces) == b'{"first":1,'
        assert sent.exchanges == []
        odd.go_on.set()
        assert b"".join(pieces) == b'"second":2}'

    assert sent.exchange.response.body.content == '{"first":1,"second":2}'


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("HEAD", "plain", {}),
        ("HEAD", "chunked", {}),
        ("GET", "empty/204", {}),
        ("GET", "empty/304", {}),
        ("DELETE", "empty/204", {"Expect": "100-continue"}),
    ],
)
def test_no_body(sent: Sent, odd: OddServer, method: str, path: str, headers: Any) -> None:
    """Responses that have none are over when their headers are there; their connection is used again."""
    sent.start("requests")

    with requests.Session() as session:
        for _ in range(2):
            assert session.request(method, f"{odd.url}/{path}", headers=headers).content == b""

    assert len(odd.ports) == 1
    for exchange in sent.exchanges:
        assert (exchange.incomplete, exchange.response.body.size) == (None, 0)


def test_connections_are_used_again(sent: Sent, odd: OddServer) -> None:
    """As many connections as without: one, for a session that reads each response."""
    sent.start("requests")

    with requests.Session() as session:
        for path in ("plain", "chunked", "gzip", "status/404", "redirect/1"):
            assert session.get(f"{odd.url}/{path}").content
        with session.get(odd.url, stream=True) as response:
            assert b"".join(response.iter_content(100)) == PAYLOAD
        assert session.post(odd.url, data=iter([PART])).content == PAYLOAD

    assert len(odd.asked) == 8
    assert len(odd.ports) == 1
    assert len(sent.exchanges) == 8


class Canned(BaseAdapter):
    """Answers by itself, as adapters of tests do."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.url, response.request = 200, str(request.url), request
        response.raw = io.BytesIO(PAYLOAD)
        return response

    def close(self) -> None:
        """Nothing to close."""


def test_other_adapters_are_left_alone(sent: Sent) -> None:
    """An adapter that does not send with urllib3 works as ever; there is no record of it."""
    sent.start("requests")

    with requests.Session() as session:
        session.mount("canned://", Canned())
        response = session.get("canned://here/")
        assert response.content == PAYLOAD
        assert "traceparent" not in response.request.headers

    assert sent.exchanges == []


def test_digging_for_the_socket(sent: Sent, odd: OddServer) -> None:
    """Who looks for the socket beneath a response, as docker's client does, finds it."""
    sent.start("requests")

    with requests.get(f"{odd.url}/slow", stream=True) as response:
        socket = response.raw._fp.fp.raw._sock
        assert f"127.0.0.1:{socket.getpeername()[1]}" == odd.address
        assert response.raw._fp.fp.raw.readable()
        assert response.raw._fp.fp.fileno() == socket.fileno() == response.raw.fileno()


@pytest.mark.parametrize("variable", ["OTEL_PYTHON_REQUESTS_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS"])
def test_excluded(sent: Sent, odd: OddServer, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """OpenTelemetry's variables for this client, or for all, leave URLs out."""
    monkeypatch.setenv(variable, "/gzip$")
    sent.start("requests")

    for path in ("gzip", "plain"):
        assert requests.get(f"{odd.url}/{path}").content == PAYLOAD

    assert sent.exchange.request.path == "/plain"
    assert ["traceparent" in each.headers for each in odd.asked] == [False, True]


@pytest.fixture
def contrib(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Switches OpenTelemetry's own instrumentations on, before ours or after it."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    of_requests: Any = RequestsInstrumentor()
    of_urllib3: Any = URLLib3Instrumentor()
    both = {"requests": (of_requests,), "urllib3": (of_urllib3,), "both": (of_requests, of_urllib3)}

    def start(which: str, first: bool, sampler: Any = None) -> None:
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(sent.exporter))
        if not first:
            sent.start("requests", tracer_provider=provider)
        for theirs in both[which]:
            theirs.instrument(tracer_provider=provider)
        if first:
            sent.start("requests", tracer_provider=provider)

    yield start
    spantap.uninstrument_clients()
    for theirs in both["both"]:
        if theirs.is_instrumented_by_opentelemetry:
            theirs.uninstrument()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("which", ["requests", "urllib3", "both"])
def test_beside_opentelemetrys_own(
    sent: Sent, odd: OddServer, contrib: Callable[..., None], which: str, first: bool
) -> None:
    """Each request has one span, theirs where they begin one, and one record with its ids."""
    contrib(which, first)

    with requests.get(f"{odd.url}/redirect/1", stream=True) as response:
        assert b"".join(response.iter_content(100)) == PAYLOAD

    hop, last = sent.exchanges
    spans = {format(each.context.span_id, "016x"): each for each in sent.spans if each.context}
    assert set(spans) == {hop.span_id, last.span_id}
    scopes = {each.instrumentation_scope.name for each in sent.spans if each.instrumentation_scope}
    assert f"opentelemetry.instrumentation.{'urllib3' if which == 'urllib3' else 'requests'}" in scopes
    assert (hop.request.resends, last.request.resends) == (0, 1)
    assert last.response.body.content == CLEAN
    assert [each.headers["traceparent"].split("-")[2] for each in odd.asked] == [hop.span_id, last.span_id]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("which", ["requests", "urllib3"])
def test_beside_theirs_not_sampled(
    sent: Sent, odd: OddServer, contrib: Callable[..., None], which: str, first: bool
) -> None:
    """The exchange has the ids of the span that is not recorded."""
    contrib(which, first, ALWAYS_OFF)

    assert requests.get(odd.url).content == PAYLOAD

    exchange = sent.exchange
    assert not exchange.sampled
    assert odd.asked[0].headers["traceparent"].split("-")[2] == exchange.span_id
