"""Requests that are sent: what is kept of them, whose they are, and what settings change."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind

import spantap
from asgi_client import call, scope
from outbound.conftest import Sent
from outbound.far_server import Answer, FarServer
from spantap import clients
from spantap.model import ConfigurationError
from spantap.otel import processor as processor_module

WHO = [("authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2ln")]  # sub: ada


def asking(url: str, *, before: Any = None, **arguments: Any) -> Any:
    """An app that sends a request before it answers its own."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if before is not None:
            before()
        answer = requests.post(url, **arguments)  # noqa: ASYNC210 - the simplest client
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer.content})

    return spantap.instrument_app(app)


def test_an_exchange_we_begin(sent: Sent, far: FarServer) -> None:
    """Both halves, clean, as they went over the wire; the other server gets what it would have got."""
    far.answers["/charge"] = Answer(b'{"id":1,"client_secret":"s3cret-of-theirs"}', 201)
    sent.start()

    answer = requests.post(
        f"{far.url}/charge?api_key=s3cret-key&n=1", json={"card": "4111111111111111", "n": 2}
    )

    assert answer.json() == {"id": 1, "client_secret": "s3cret-of-theirs"}
    (asked,) = far.asked
    assert json.loads(asked.body) == {"card": "4111111111111111", "n": 2}
    exchange = sent.exchange
    assert exchange.direction == "outbound"
    assert (exchange.request.method, exchange.request.path, exchange.request.query) == (
        *("POST", "/charge"),
        "api_key=REDACTED&n=1",
    )
    assert exchange.request.body.content == '{"card": "[REDACTED]", "n": 2}'
    assert exchange.response.status == 201
    assert exchange.response.body.content == '{"id":1,"client_secret":"[REDACTED]"}'
    assert exchange.server.address == "127.0.0.1"
    assert asked.headers["traceparent"].split("-")[1:3] == [exchange.trace_id, exchange.span_id]
    assert {name: value for name, value in asked.headers.items() if name != "traceparent"} == {
        name: values[0] for name, values in exchange.request.headers.items() if name != "traceparent"
    }


def test_it_is_beneath_what_we_answer_and_has_its_user(sent: Sent, far: FarServer) -> None:
    """A request sent while another is answered is in its trace, beneath it, and of the same user."""
    sent.start()

    call(asking(f"{far.url}/b"), scope("GET", "/a", WHO))

    inbound, outbound = sent.exchanges
    assert (inbound.direction, outbound.direction) == ("inbound", "outbound")
    assert outbound.trace_id == inbound.trace_id
    assert outbound.parent_span_id == outbound.answering_span_id == inbound.span_id
    assert inbound.answering_span_id is None
    assert outbound.identity.user == inbound.identity.user == "ada"


def test_with_spans_in_between(sent: Sent, far: FarServer) -> None:
    """Where a span of the app's stands between, the record names that, and the request being answered."""
    handle = sent.start(theirs=True)
    tracer = trace.get_tracer("shop", tracer_provider=handle.settings.tracer_provider)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with tracer.start_as_current_span("work") as work:
            requests.get(far.url)  # noqa: ASYNC210 - the simplest client
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{work.get_span_context().span_id:016x}".encode()})

    messages = call(spantap.instrument_app(app), scope("GET", "/a"))

    inbound, outbound = sent.exchanges
    assert outbound.parent_span_id == messages[1]["body"].decode()
    assert outbound.answering_span_id == inbound.span_id


def test_a_user_that_is_known_only_at_the_end(sent: Sent, far: FarServer) -> None:
    """Where a hook says who it was, what was sent meanwhile waits for it, and is of the same user."""
    sent.start(identify_user=lambda exchange: exchange.request.headers.first("x-user"))

    call(asking(f"{far.url}/b"), scope("GET", "/a", [("x-user", "linus")]))
    requests.get(f"{far.url}/c")

    inbound, outbound, alone = sent.exchanges
    assert (inbound.direction, outbound.direction) == ("inbound", "outbound")
    assert outbound.identity.user == inbound.identity.user == "linus"
    assert outbound.timing.end <= inbound.timing.end
    assert alone.identity.user is None


def test_many_wait_no_longer_than_memory_allows(sent: Sent, far: FarServer) -> None:
    """Of hundreds of requests sent meanwhile none is lost; the last are of nobody."""

    def before() -> None:
        for _ in range(100):
            requests.get(far.url)

    sent.start(identify_user=lambda exchange: "ada")

    call(asking(f"{far.url}/b", before=before), scope("GET", "/a"))

    users = [each.identity.user for each in sent.exchanges if each.direction == "outbound"]
    assert users == ["ada"] * 64 + [None] * 37


def test_what_the_app_says_of_its_user(sent: Sent, far: FarServer) -> None:
    """`current()` stays that of the request being answered, also in the middle of another."""
    sent.start()

    def before() -> None:
        spantap.current().user("grace").company("acme")

    call(asking(f"{far.url}/b", before=before), scope("GET", "/a"))

    for exchange in sent.exchanges:
        assert (exchange.identity.user, exchange.identity.company) == ("grace", "acme")


def test_an_error_of_theirs(sent: Sent, far: FarServer) -> None:
    """From 400 on it is an error of who sent the request, by its status."""
    far.answers["/no"] = Answer(b'{"why":"no"}', 404)
    sent.start(theirs=True)

    assert requests.get(f"{far.url}/no").status_code == 404

    exchange = sent.exchange
    assert exchange.error is not None
    assert (exchange.error.type, exchange.error.message) == ("404", None)
    (span,) = sent.spans
    assert not span.status.is_ok
    assert span.kind is SpanKind.CLIENT


def test_the_live_span(sent: Sent, far: FarServer) -> None:
    """On a provider of the app's own its exporter sees the clean exchange, named as everywhere."""
    sent.start(theirs=True)

    requests.get(f"{far.url}/a?token=s3cret-token")

    (span,) = sent.spans
    attributes = dict(span.attributes or {})
    assert span.name == "GET"
    assert attributes["url.full"] == f"{far.url}/a?token=REDACTED"
    assert attributes["server.port"] == int(far.url.rpartition(":")[2])
    assert attributes["http.response.body.content"] == "{}"
    assert "s3cret" not in span.to_json()


def test_a_failure_is_told_and_stays_the_apps(sent: Sent) -> None:
    """Nobody there: the app's exception is the one it would have had."""
    sent.start()

    with pytest.raises(requests.exceptions.ConnectionError, match="Max retries exceeded"):
        requests.get("http://127.0.0.1:1/x?password=s3cret")

    exchange = sent.exchange
    assert exchange.error is not None
    assert exchange.error.type == "urllib3.exceptions.NewConnectionError"
    assert "s3cret" not in repr(exchange)


@pytest.mark.setting("outgoing_hosts", "exclude_outgoing_hosts")
@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, 1),
        ({"outgoing_hosts": ["127.*"]}, 1),
        ({"outgoing_hosts": ["api.shop.example"]}, 0),
        ({"exclude_outgoing_hosts": ["re:^127"]}, 0),
        ({"outgoing_hosts": ["127.0.0.1"], "exclude_outgoing_hosts": ["*.1"]}, 0),
    ],
)
def test_hosts(sent: Sent, far: FarServer, settings: Any, kept: int) -> None:
    """Only requests to hosts on one list, and never to those on the other; the trace goes on all the same."""
    sent.start(**settings)

    assert requests.get(far.url).json() == {}

    assert len(sent.exchanges) == kept
    assert "traceparent" in far.asked[0].headers


@pytest.mark.setting("request_bodies_outgoing", "response_bodies_outgoing")
@pytest.mark.parametrize(
    ("settings", "withheld"),
    [
        ({"request_bodies_outgoing": False}, ("switched-off", None)),
        ({"response_bodies_outgoing": False}, (None, "switched-off")),
        ({"request_bodies": False}, ("switched-off", None)),
        ({"response_bodies": False, "response_bodies_outgoing": True}, (None, None)),
    ],
)
def test_bodies(sent: Sent, far: FarServer, settings: Any, withheld: Any) -> None:
    """Bodies are captured as those of requests that are answered, unless it is said otherwise."""
    sent.start(**settings)

    assert requests.post(far.url, json={"n": 1}).json() == {}

    exchange = sent.exchange
    assert (exchange.request.body.withheld, exchange.response.body.withheld) == withheld


def test_headers_that_are_asked_for(sent: Sent, far: FarServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With headers off, those that OpenTelemetry's variables for clients list are captured all the same."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST", "x-a.*")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE", "content-type")
    sent.start(headers=False)

    assert requests.get(far.url, headers={"X-A": "1", "X-B": "2", "X-Auth": "s3cret"}).json() == {}

    exchange = sent.exchange
    assert dict(exchange.request.headers) == {"x-a": ("1",), "x-auth": ("[REDACTED]",)}
    assert dict(exchange.response.headers) == {"content-type": ("application/json",)}


@pytest.mark.setting("skip_outgoing")
def test_skip(sent: Sent, far: FarServer) -> None:
    """A hook of its own decides what is not kept; that for requests being answered does not, then."""
    sent.start(skip=lambda exchange: True, skip_outgoing=lambda exchange: exchange.request.path == "/quiet")

    for path in ("/quiet", "/loud"):
        assert requests.get(far.url + path).json() == {}

    assert sent.exchange.request.path == "/loud"


def test_the_other_skip_is_asked_when_there_is_no_own(sent: Sent, far: FarServer) -> None:
    """What is not to be kept of requests that are answered is not kept of others, either."""
    sent.start(skip=lambda exchange: exchange.request.path == "/quiet")

    for path in ("/quiet", "/loud"):
        assert requests.get(far.url + path).json() == {}

    assert sent.exchange.request.path == "/loud"


@pytest.mark.setting(
    "identify_user_outgoing", "identify_company_outgoing", "session_token_outgoing", "metadata_outgoing"
)
def test_hooks_of_its_own(sent: Sent, far: FarServer) -> None:
    """Who it was and what the app adds is asked of other hooks than for requests that are answered."""
    sent.start(
        identify_user=lambda exchange: "in",
        metadata=lambda exchange: {"way": "in"},
        identify_user_outgoing=lambda exchange: exchange.request.headers.first("x-for"),
        identify_company_outgoing=lambda exchange: "acme",
        session_token_outgoing=lambda exchange: "t0ken",
        metadata_outgoing=lambda exchange: {"way": "out"},
    )

    call(asking(far.url, headers={"X-For": "linus"}), scope("GET", "/a"))

    inbound, outbound = sent.exchanges
    assert (inbound.identity.user, dict(inbound.metadata)) == ("in", {"way": "in"})
    assert (outbound.identity.user, outbound.identity.company) == ("linus", "acme")
    assert outbound.identity.session not in (None, "t0ken")
    assert dict(outbound.metadata) == {"way": "out"}
    assert far.asked[0].headers["x-for"] == "linus"


def test_mask_is_for_both(sent: Sent, far: FarServer) -> None:
    """What the app masks itself is masked in what it sends as well."""

    def mask(exchange: Any) -> Any:
        if exchange.response.body is not None:
            exchange.response.body["name"] = None
        return exchange

    far.answers["/who"] = Answer(b'{"name":"Ada"}')
    sent.start(mask=mask)

    assert requests.get(f"{far.url}/who").json() == {"name": "Ada"}

    assert sent.exchange.response.body.content == '{"name":null}'


@pytest.mark.setting("baggage_hosts")
@pytest.mark.parametrize(("hosts", "told"), [(["127.0.0.1"], True), (["*.example"], False), ([], False)])
def test_who_it_is_goes_to_listed_hosts_alone(sent: Sent, far: FarServer, hosts: Any, told: bool) -> None:
    """Baggage names the user to the hosts that are listed, and to nobody else."""
    sent.start(baggage_hosts=hosts)

    def before() -> None:
        spantap.current().company("acme")

    call(asking(far.url, before=before), scope("GET", "/a", WHO))

    baggage = far.asked[0].headers.get("baggage")
    assert (baggage == "user.id=ada,spantap.company.id=acme") is told
    assert told or baggage is None


def test_baggage_is_hashed_where_records_are(sent: Sent, far: FarServer) -> None:
    """Who is hashed in records is hashed for other servers, too."""
    sent.start(baggage_hosts=["127.0.0.1"], hash_key="k3y", hash=["user"])

    call(asking(far.url), scope("GET", "/a", WHO))

    inbound, outbound = sent.exchanges
    assert far.asked[0].headers["baggage"] == f"user.hash={inbound.identity.user_hash}"
    assert outbound.identity == inbound.identity


def test_the_app_may_suppress_it(sent: Sent, far: FarServer) -> None:
    """OpenTelemetry's own switches are honoured: neither span, nor record, nor header."""
    sent.start()

    with suppress_instrumentation():
        assert requests.get(far.url).json() == {}
    with suppress_http_instrumentation():
        assert requests.get(far.url).json() == {}

    assert sent.exchanges == []
    assert all("traceparent" not in asked.headers for asked in far.asked)


def test_an_unsampled_trace_goes_on(sent: Sent, far: FarServer) -> None:
    """What is not sampled is kept for stores, and its trace says to the next server that it is not."""
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    sent.start(tracer_provider=provider)

    assert requests.get(far.url).json() == {}

    exchange = sent.exchange
    assert not exchange.sampled
    assert far.asked[0].headers["traceparent"][:-2] == f"00-{exchange.trace_id}-{exchange.span_id}-"
    assert not int(far.asked[0].headers["traceparent"][-2:], 16) & 1


def test_what_is_not_selected_is_not_kept(sent: Sent, far: FarServer) -> None:
    """Rules for paths hold for what is sent; what machines ask of us we may ask of others."""
    sent.start(exclude_urls=["/internal/*"])

    for path in ("/internal/a", "/metrics"):
        assert requests.get(far.url + path).json() == {}

    assert sent.exchange.request.path == "/metrics"
    assert all("traceparent" in asked.headers for asked in far.asked)


def test_a_span_of_the_apps_is_a_parent(sent: Sent, far: FarServer) -> None:
    """Any span in force is the parent, and current again afterwards."""
    sent.start(theirs=True)
    tracer = trace.get_tracer(
        "shop", tracer_provider=sent.handle.settings.tracer_provider if sent.handle else None
    )

    with tracer.start_as_current_span("work") as work:
        before = otel_context.get_current()
        requests.get(far.url)
        assert otel_context.get_current() is before

    assert sent.exchange.parent_span_id == f"{work.get_span_context().span_id:016x}"


def test_unknown_clients_are_told(sent: Sent) -> None:
    """A name that is none is answered with those there are."""
    with pytest.raises(ConfigurationError, match=r"'request'.*use some of requests.*did you mean requests"):
        spantap.instrument_clients("request")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_inherits_a_response(sent: Sent, far: FarServer, tmp_path: Path) -> None:
    """What a fork closes was asked by its parent: there is one record of it, the parent's."""
    far.answers["/long"] = Answer(b"x" * 100_000)
    handle = sent.start(sqlite_path=tmp_path / "kept.db")
    answer = requests.get(f"{far.url}/long", stream=True)
    child = os.fork()
    if child == 0:
        try:
            answer.close()
            requests.get(f"{far.url}/child")
            handle.flush(10)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

    assert len(answer.content) == 100_000
    assert handle.flush(10)
    with sqlite3.connect(tmp_path / "kept.db") as database:
        assert sorted(database.execute("SELECT path FROM exchanges")) == [("/child",), ("/long",)]
    assert sent.exchange.response.body.size == 100_000


def test_a_long_stream_is_waited_for(sent: Sent, far: FarServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as something is read, the record waits; then it says that it has waited enough."""
    now = 0.0
    monkeypatch.setattr(processor_module, "time", SimpleNamespace(monotonic=lambda: now))
    far.answers["/long"] = Answer(b"x" * 100_000)
    handle = sent.start()
    flowing = requests.get(f"{far.url}/long", stream=True)
    for _ in range(5):
        assert len(flowing.raw.read(10_000)) == 10_000
        now += 31
        handle.tap.processor.sweep()
    assert handle.stats().captured == 0

    now += 31
    handle.tap.processor.sweep()

    assert len(flowing.raw.read()) == 50_000
    monkeypatch.undo()
    exchange = sent.exchange
    assert (exchange.incomplete, exchange.response.body.size) == ("timeout", 50_000)


def test_only_the_clients_that_are_named(sent: Sent, far: FarServer) -> None:
    """Of two that send with the same library, one may be captured and the other not."""
    import urllib3

    sent.start("requests")

    assert urllib3.PoolManager().request("GET", f"{far.url}/u").json() == {}
    assert requests.get(f"{far.url}/r").json() == {}

    assert sent.exchange.request.path == "/r"
    assert "traceparent" not in far.asked[0].headers


def test_switching_off_restores_everything(sent: Sent, far: FarServer) -> None:
    """Afterwards every function is the object it was."""
    import urllib3.connectionpool
    from requests.sessions import Session

    owners = (Session, urllib3.HTTPConnectionPool, urllib3.PoolManager)
    before = [dict(vars(each)) for each in owners]
    sent.start()
    assert [dict(vars(each)) for each in owners] != before
    assert set(clients.met()) >= {"requests", "urllib3"}

    spantap.uninstrument_clients()

    assert [dict(vars(each)) for each in owners] == before
    assert requests.get(far.url).json() == {}
    assert sent.exchanges == []


_EXCLUDED = ("OTEL_PYTHON_REQUESTS_EXCLUDED_URLS", "OTEL_PYTHON_URLLIB3_EXCLUDED_URLS")


def test_wrapped_by_others_in_between(sent: Sent, far: FarServer) -> None:
    """Off and on again beneath somebody else's wrapper: each request is still one exchange."""
    import urllib3

    pool: Any = urllib3.HTTPConnectionPool
    sent.start("requests")
    ours = pool._make_request
    try:
        pool._make_request = lambda *args, **kwargs: ours(*args, **kwargs)
        spantap.uninstrument_clients()
        spantap.instrument_clients("requests")

        assert requests.get(far.url).json() == {}

        assert len(sent.exchanges) == 1
    finally:
        spantap.uninstrument_clients()
        pool._make_request = ours.__wrapped__


@pytest.mark.setting("outgoing")
@pytest.mark.parametrize(
    ("environment", "kept", "traced"),
    [
        ({}, 1, True),
        ({"OTEL_PYTHON_SPANTAP_OUTGOING": "false"}, 0, True),  # by OpenTelemetry's own instrumentation
        *(
            pytest.param(environment, 0, False, marks=pytest.mark.matrix)
            for environment in (
                {
                    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "requests,urllib3"
                },  # theirs of urllib3 is in force
                dict.fromkeys(_EXCLUDED, "/a$"),
                {"OTEL_SDK_DISABLED": "true"},
            )
        ),
    ],
)
def test_without_code(
    far: FarServer, tmp_path: Path, environment: dict[str, str], kept: int, traced: bool
) -> None:
    """Under opentelemetry-instrument what an app sends is captured, unless that is switched off."""
    program = f"import requests; print(requests.post('{far.url}/a', json={{'n': 1}}).json())"
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, "-c", program]
    store = tmp_path / "kept.jsonl"

    said = subprocess.run(
        command,
        env={
            **os.environ,
            "OTEL_PYTHON_DISTRO": "spantap",
            "OTEL_PYTHON_SPANTAP_JSONL_PATH": str(store),
            **environment,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert said.stdout == "{}\n"
    records = [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []
    assert len(records) == kept
    assert all(record["request"]["body"]["content"] == '{"n": 1}' for record in records)
    assert ("traceparent" in far.asked[0].headers) is traced
