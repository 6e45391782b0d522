"""httpx and httpx2: what is sent with them is captured as it goes by, and goes by as without us."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import spantap
from outbound.conftest import Sent
from outbound.far_server import Answer, Asked, FarServer
from outbound.httpx_ways import WAYS, Way, in_all_ways
from spantap import clients

ANSWER = Answer(b'{"id":1,"client_secret":"s3cret-of-theirs"}', 201)
_JSON = {"Content-Type": "application/json"}


def bodies(way: Way) -> dict[str, Any]:
    """Every kind of body a client takes, made anew: many can be sent once."""
    text = '{"n": 1, "password": "s3cret"}'
    return {
        "none": {},
        "bytes": {"content": text.encode(), "headers": _JSON},
        "text": {"content": text, "headers": _JSON},
        "json": {"json": {"n": 1, "password": "s3cret"}},
        "form": {"data": {"n": "1", "password": "s3cret"}},
        "multipart": {
            "data": {"n": "1", "password": "s3cret"},
            "files": {"file": ("a.txt", io.BytesIO(b"of a file"), "text/plain")},
            "headers": {"Content-Type": "multipart/form-data; boundary=cut"},
        },
        "generator": {"content": way.streamed(b'{"n": 1, "pass', b"", b'word": "s3cret"}'), "headers": _JSON},
        **({"file": {"content": io.BytesIO(text.encode()), "headers": _JSON}} if way.loop is None else {}),
    }


SHOWN: dict[str, Any] = {
    "none": None,
    "bytes": '{"n": 1, "password": "[REDACTED]"}',
    "text": '{"n": 1, "password": "[REDACTED]"}',
    "json": '{"n":1,"password":"[REDACTED]"}',
    "form": "n=1&password=[REDACTED]",
    "multipart": '[{"name":"n","value":"1"},{"name":"password","value":"[REDACTED]"},'
    '{"name":"file","filename":"a.txt","content_type":"text/plain","size":9}]',
    "generator": '{"n": 1, "password": "[REDACTED]"}',
    "file": '{"n": 1, "password": "[REDACTED]"}',
}


def untraced(asked: Asked) -> Asked:
    """A request as it came, without what we add."""
    headers = {name: value for name, value in asked.headers.items() if name != "traceparent"}
    return Asked(asked.method, asked.target, headers, asked.body)


@in_all_ways
@pytest.mark.parametrize("kind", SHOWN)
def test_every_kind_of_body(sent: Sent, far: FarServer, way: Way, kind: str) -> None:
    """The other server gets the bytes it would have got, the app its answer, and we a clean copy of both."""
    if kind not in bodies(way):
        pytest.skip("the client that is awaited takes no files")
    far.answers["/charge"] = ANSWER

    async def scene(client: Any) -> Any:
        return await way.call(client.post, f"{far.url}/charge?api_key=s3cret&n=1", **bodies(way)[kind])

    way.play(scene)
    sent.start()
    response = way.play(scene)

    assert (response.status_code, response.content) == (201, ANSWER.body)
    before, after = far.asked
    assert untraced(after) == before
    assert "traceparent" not in response.request.headers
    exchange = sent.exchange
    assert after.headers["traceparent"].split("-")[1:3] == [exchange.trace_id, exchange.span_id]
    request = exchange.request
    assert (request.method, request.path, request.query) == ("POST", "/charge", "api_key=REDACTED&n=1")
    assert (request.body.content, request.body.size) == (SHOWN[kind], len(before.body))
    assert {name: values[0] for name, values in request.headers.items()} == after.headers
    assert exchange.response.body.content == '{"id":1,"client_secret":"[REDACTED]"}'
    assert (exchange.response.status, exchange.response.body.size) == (201, len(ANSWER.body))
    assert request.http_version == "1.1"
    assert (exchange.server.address, exchange.server.port) == ("127.0.0.1", int(far.url.rpartition(":")[2]))
    assert (exchange.incomplete, exchange.error) == (None, None)


@in_all_ways
def test_redirects_are_requests_of_their_own(sent: Sent, far: FarServer, way: Way) -> None:
    """Each step is kept, with its body and how often it was sent before, and carries a span of its own."""
    far.answers["/a"] = Answer(b"moved", 307, {"Location": "/b?token=s3cret"})
    far.answers["/b"] = Answer(b"", 303, {"Location": "/c"})
    sent.start()

    async def scene(client: Any) -> Any:
        return await way.call(client.post, f"{far.url}/a", content=b"order", follow_redirects=True)

    response = way.play(scene)

    assert (response.content, [each.content for each in response.history]) == (b"{}", [b"moved", b""])
    assert [(each.method, each.target, each.body) for each in far.asked] == [
        ("POST", "/a", b"order"),
        ("POST", "/b?token=s3cret", b"order"),
        ("GET", "/c", b""),
    ]
    exchanges = sent.exchanges
    assert [
        (each.request.path, each.request.resends, each.request.body.size, each.response.status)
        for each in exchanges
    ] == [("/a", 0, 5, 307), ("/b", 1, 5, 303), ("/c", 2, 0, 200)]
    spans = [each.headers["traceparent"].split("-")[2] for each in far.asked]
    assert spans == [each.span_id for each in exchanges]


@in_all_ways
def test_a_generator_is_gone_once(sent: Sent, far: FarServer, way: Way) -> None:
    """Where a redirect would send a generator again, httpx says so, as it does without us."""
    far.answers["/a"] = Answer(b"", 307, {"Location": "/b"})

    async def scene(client: Any) -> Any:
        body = way.streamed(b"once")
        with pytest.raises(way.module.StreamConsumed) as raised:
            await way.call(client.post, f"{far.url}/a", content=body, follow_redirects=True)
        return str(raised.value)

    before = way.play(scene)
    sent.start()

    assert way.play(scene) == before
    assert [each.body for each in far.asked if each.target == "/a"] == [b"once", b"once"]
    first, second = sent.exchanges
    assert (first.request.body.content, first.response.status, first.error) == ("once", 307, None)
    assert second.request.resends == 1
    assert second.error is not None
    assert second.error.type == f"{way.name}.StreamConsumed"


@in_all_ways
def test_a_challenge_and_a_token(sent: Sent, far: FarServer, way: Way) -> None:
    """A request sent again with credentials is a resend of itself; what is asked for a token is none."""
    far.answers["/token"] = Answer(b'{"access_token":"s3cret-token"}')
    far.answers["/shop"] = Answer(b"who?", 401, {})
    base = way.module.Auth

    class Login(base):  # type: ignore[misc, valid-type]
        requires_response_body = True

        def auth_flow(self, request: Any) -> Any:
            yield request
            token = yield way.module.Request("POST", f"{far.url}/token")
            far.answers["/shop"] = Answer(b"yours")
            request.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            yield request

    sent.start()

    async def scene(client: Any) -> Any:
        return await way.call(client.get, f"{far.url}/shop", auth=Login())

    assert way.play(scene).content == b"yours"
    assert far.asked[2].headers["authorization"] == "Bearer s3cret-token"
    exchanges = sent.exchanges
    assert [(each.request.path, each.request.resends, each.response.status) for each in exchanges] == [
        ("/shop", 0, 401),
        ("/token", 0, 200),
        ("/shop", 1, 200),
    ]
    assert "s3cret-token" not in repr(exchanges)


@in_all_ways
def test_a_call_within_a_call(sent: Sent, far: FarServer, way: Way) -> None:
    """A request that a hook sends while another is sent is no resend of that, and both are kept."""

    async def scene(client: Any, other: Any) -> Any:
        async def hook(request: Any) -> None:
            await way.call(other.get, f"{far.url}/inner")

        def blocking_hook(request: Any) -> None:
            other.get(f"{far.url}/inner")

        client.event_hooks = {"request": [hook if way.loop else blocking_hook]}
        answer = await way.call(client.get, f"{far.url}/outer")
        await way.close(other)
        return answer

    sent.start()

    assert way.play(scene, way.client()).content == b"{}"
    assert [(each.request.path, each.request.resends) for each in sent.exchanges] == [
        ("/inner", 0),
        ("/outer", 0),
    ]


@in_all_ways
def test_connections_are_kept(sent: Sent, far: FarServer, way: Way) -> None:
    """One connection serves all requests of a client, as without us."""
    sent.start()

    async def scene(client: Any) -> None:
        for at in range(3):
            body = way.streamed(b"1", b"2")
            assert (await way.call(client.post, f"{far.url}/{at}", content=body)).json() == {}

    way.play(scene)

    assert far.connections == 1
    assert len(sent.exchanges) == 3


@in_all_ways
def test_packed_answers(sent: Sent, far: FarServer, way: Way) -> None:
    """The app gets it unpacked by httpx; the record knows what came over the wire, and shows what it says."""
    packed = gzip.compress(b'{"name":"Ada","token":"s3cret"}')
    far.answers["/packed"] = Answer(
        packed, 200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    )
    sent.start()

    async def scene(client: Any) -> Any:
        return await way.call(client.get, f"{far.url}/packed")

    assert way.play(scene).json() == {"name": "Ada", "token": "s3cret"}
    body = sent.exchange.response.body
    assert body.content == '{"name":"Ada","token":"[REDACTED]"}'


@in_all_ways
def test_headers_as_they_go_over_the_wire(sent: Sent, far: FarServer, way: Way) -> None:
    """Twice the same name, what is not ASCII, and a login in the URL, which httpx makes a header of."""
    sent.start()
    headers = [("X-Twice", "1"), ("X-Twice", "2"), ("X-Latin", "caf\xe9".encode("latin-1"))]
    url = far.url.replace("//", "//ada:s3cret@")

    async def scene(client: Any) -> Any:
        return await way.call(client.get, f"{url}/caf\xe9?q=\xe9", headers=headers)

    assert way.play(scene).json() == {}
    request = sent.exchange.request
    assert request.headers["x-twice"] == ("1", "2")
    assert request.headers.first("x-latin") == "caf\xe9"
    assert far.asked[0].headers["authorization"].endswith(base64.b64encode(b"ada:s3cret").decode())
    assert (request.path, request.query) == ("/caf%C3%A9", "q=%C3%A9")
    assert "s3cret" not in repr(sent.exchange)


@in_all_ways
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "BREW"])
def test_methods(sent: Sent, far: FarServer, way: Way, method: str) -> None:
    """Any method, also those without an answer's body, and those nobody has heard of."""
    far.answers["/a"] = Answer(b"", 204, {}) if method == "PATCH" else Answer()
    sent.start(exclude_methods=[])

    async def scene(client: Any) -> Any:
        return await way.call(client.request, method, f"{far.url}/a")

    response = way.play(scene)

    exchange = sent.exchange
    assert (exchange.request.method, exchange.response.status) == (method, response.status_code)
    assert exchange.response.body.size == len(response.content)
    assert exchange.incomplete is None


@in_all_ways
def test_suppression_and_exclusion(
    sent: Sent, far: FarServer, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry's switches and its list of URLs leave a request alone: no span, no record, no header."""
    monkeypatch.setenv("OTEL_PYTHON_HTTPX_EXCLUDED_URLS", "/health$")
    sent.start()

    async def scene(client: Any) -> None:
        await way.call(client.get, f"{far.url}/health")
        with suppress_instrumentation():
            await way.call(client.get, far.url)
        with suppress_http_instrumentation():
            await way.call(client.get, far.url)

    way.play(scene)

    assert len(far.asked) == 3
    assert all("traceparent" not in asked.headers for asked in far.asked)
    assert sent.exchanges == []


@in_all_ways
@pytest.mark.parametrize("unsampled", ["own", "none"])
def test_unsampled_traces(sent: Sent, far: FarServer, way: Way, unsampled: str) -> None:
    """What is not sampled is kept for stores unless that is switched off; its trace goes on either way."""
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    sent.start(tracer_provider=provider, capture_unsampled=unsampled)

    async def scene(client: Any) -> Any:
        return await way.call(client.post, far.url, content=way.streamed(b"a", b"b"))

    assert way.play(scene).json() == {}
    assert far.asked[0].body == b"ab"
    assert far.asked[0].headers["traceparent"].endswith(("-00", "-02"))
    assert [each.request.body.content for each in sent.exchanges] == (["ab"] if unsampled == "own" else [])


@in_all_ways
def test_transports_that_are_not_the_wire(sent: Sent, way: Way) -> None:
    """Mocks and apps that are called in the process are left alone."""
    sent.start()

    def answer(request: Any) -> Any:
        assert "traceparent" not in request.headers
        return way.module.Response(200, json={})

    async def scene(client: Any) -> Any:
        return await way.call(client.get, "http://nowhere.example/")

    assert way.play(scene, transport=way.module.MockTransport(answer)).json() == {}
    assert sent.exchanges == []


@pytest.mark.parametrize("name", sorted({way.name for way in WAYS}))
def test_switching_off_restores_everything(sent: Sent, far: FarServer, name: str) -> None:
    """Afterwards every function is the object it was, and a client that was made before sends as ever."""
    way = Way(name, None)
    module = way.module
    owners = (module.HTTPTransport, module.AsyncHTTPTransport, module.Client, module.AsyncClient)
    before = [dict(vars(each)) for each in owners]
    sent.start(name)
    assert [dict(vars(each)) for each in owners] != before
    assert name in clients.met()
    with way.client() as client:
        client.get(f"{far.url}/kept")

        spantap.uninstrument_clients(name)

        assert [dict(vars(each)) for each in owners] == before
        assert client.get(f"{far.url}/quiet").json() == {}
    assert sent.exchange.request.path == "/kept"


def test_without_code(far: FarServer, tmp_path: Path) -> None:
    """Under opentelemetry-instrument, where OpenTelemetry's instrumentation is, too, it is one span."""
    program = f"import httpx; print(httpx.post('{far.url}/a', json={{'n': 1}}).json())"
    store = tmp_path / "kept.jsonl"

    said = subprocess.run(
        [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, "-c", program],
        env={
            **os.environ,
            "OTEL_PYTHON_DISTRO": "spantap",
            "OTEL_PYTHON_SPANTAP_JSONL_PATH": str(store),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert said.stdout == "{}\n"
    (record,) = [json.loads(line) for line in store.read_text().splitlines()]
    assert record["request"]["body"]["content"] == '{"n":1}'
    assert far.asked[0].headers["traceparent"].split("-")[2] == record["span_id"]
