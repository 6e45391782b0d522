"""The settings of HTTP and WebSocket destinations, seen by the collectors."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.util._importlib_metadata import entry_points

import spantap
from asgi_client import call, responding, scope
from certificates import Authority
from exchanges import exchange
from receivers import websocket
from receivers.http import OK, Answer, HTTPReceiver
from receivers.websocket import WebSocketReceiver
from spantap.codec.attributes import encode
from spantap.model import ConfigurationError
from spantap.settings import read

PROVIDER: Any = TracerProvider(shutdown_on_exit=False)
WAIT = 30.0


def sent(*paths: str, **settings: Any) -> spantap.Handle:
    """Capture requests, deliver them, and stop."""
    handle = spantap.configure(tracer_provider=PROVIDER, **settings)
    try:
        app = spantap.instrument_app(responding(b"{}"))
        for path in paths or ("/a",):
            call(app, scope("GET", path))
        assert handle.flush(WAIT)
    finally:
        handle.shutdown(1)
    return handle


@pytest.fixture
def receiver() -> Iterator[HTTPReceiver]:
    with HTTPReceiver() as receiver:
        yield receiver


@pytest.fixture
def collector() -> Iterator[WebSocketReceiver]:
    with websocket.receiving() as collector:
        yield collector


@pytest.mark.setting(
    "http_endpoint", "http_format", "http_headers", "http_token", "http_compression", "client_id"
)
def test_what_is_posted(receiver: HTTPReceiver) -> None:
    """Address, form, headers, token and name of the sender are as set."""
    handle = sent(
        "/a",
        "/b",
        http_endpoint=f"{receiver.url}/in",
        http_format="ndjson",
        http_headers="X-Team=a%2Cb",
        http_token="t0ken",
        http_compression="gzip",
        client_id="shop-7",
    )

    (request,) = receiver.requests
    assert [orjson.loads(line)["request"]["path"] for line in request.body.splitlines()] == ["/a", "/b"]
    wanted = {
        "content-type": "application/x-ndjson",
        "content-encoding": "gzip",
        "x-team": "a,b",
        "authorization": "Bearer t0ken",
        "spantap-client-id": "shop-7",
    }
    assert wanted.items() <= request.headers.items()
    assert handle.stats().destinations["http"].exported == 2


@pytest.mark.setting("http_batch_size")
def test_how_much_in_one_request(receiver: HTTPReceiver) -> None:
    """No request has more exchanges than HTTP_BATCH_SIZE."""
    sent(*"abcde", http_endpoint=receiver.url, http_batch_size=2)

    assert [len(orjson.loads(each.body)) for each in receiver.requests][:2] == [2, 2]


@pytest.mark.setting("http_flush_interval")
def test_how_long_the_first_waits(receiver: HTTPReceiver) -> None:
    """With an interval of 0 an exchange is sent at once, nobody need flush."""
    handle = spantap.configure(
        tracer_provider=PROVIDER, http_endpoint=receiver.url, http_flush_interval=0, queue_max_items=10
    )
    try:
        call(spantap.instrument_app(responding(b"{}")), scope("GET", "/a"))
        assert len(receiver.wait_for(1)) == 1
    finally:
        handle.shutdown(1)
    with pytest.raises(ConfigurationError, match="from 0 to 3600"):
        spantap.configure(http_endpoint=receiver.url, http_flush_interval="soon")


@pytest.mark.setting("http_timeout")
def test_how_long_a_collector_may_be_silent(receiver: HTTPReceiver) -> None:
    """After HTTP_TIMEOUT the batch is sent anew."""
    receiver.answers = [Answer(delay=10), OK]

    sent(http_endpoint=receiver.url, http_timeout=0.2)

    assert len(receiver.requests) == 2


@pytest.mark.setting(
    "http_certificate", "http_client_certificate", "http_client_key", "websocket_certificate"
)
def test_over_tls(tmp_path: Path) -> None:
    """Collectors are trusted, and see who we are, by the files that are set, in spantap.toml beside it."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    plain.load_cert_chain(*authority.issue("127.0.0.1"))
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue("127.0.0.2")
    (tmp_path / "spantap.toml").write_text(
        'http_certificate = "authority.pem"\nhttp_client_certificate = "127.0.0.2.pem"\n'
        'http_client_key = "127.0.0.2.key"\nwebsocket_certificate = "authority.pem"\n'
    )
    with HTTPReceiver(tls=context) as receiver, websocket.receiving(tls=plain) as collector:
        sent(
            http_endpoint=receiver.url,
            websocket_endpoint=collector.url,
            config_file=tmp_path / "spantap.toml",
        )

        assert (len(receiver.requests), len(collector.ids)) == (1, 1)


@pytest.mark.setting("websocket_endpoint", "websocket_token", "websocket_token_in", "websocket_in_flight")
def test_what_is_streamed(collector: WebSocketReceiver) -> None:
    """Address, token and its place are as set; what is not confirmed yet is bounded."""
    sent(*"abcde", websocket_endpoint=collector.url, websocket_token="t0ken", websocket_in_flight=2)
    sent(
        websocket_endpoint=collector.url,
        websocket_token="t0ken",
        websocket_token_in="message",
        client_id="shop-7",
    )

    assert [each["request"]["path"] for each in collector.messages[:5]] == list("abcde")
    assert collector.most_unconfirmed <= 2
    assert collector.handshakes[0]["authorization"] == "Bearer t0ken"
    assert "authorization" not in collector.handshakes[1]
    assert collector.messages[5] == {"token": "t0ken", "client_id": "shop-7"}


@pytest.mark.setting("websocket_acks", "websocket_timeout")
def test_with_and_without_acks(collector: WebSocketReceiver) -> None:
    """Who does not confirm gets everything once if it need not, and again after a while if it must."""
    collector.confirms = False
    sent(websocket_endpoint=collector.url, websocket_acks=False)
    assert len(collector.ids) == 1

    handle = spantap.configure(
        tracer_provider=PROVIDER, websocket_endpoint=collector.url, websocket_timeout=0.1
    )
    call(spantap.instrument_app(responding(b"{}")), scope("GET", "/a"))
    deadline = time.monotonic() + WAIT
    while len(collector.ids) < 3 and time.monotonic() < deadline:
        handle.flush(0.2)
    collector.confirms = True
    assert handle.flush(WAIT)
    handle.shutdown(1)
    assert len(set(collector.ids)) == 2


def test_by_name(
    receiver: HTTPReceiver, collector: WebSocketReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_TRACES_EXPORTER lists them; listed and set is one; listed and not set is told."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "spantap_http,spantap_websocket")
    with pytest.raises(ConfigurationError) as told:
        spantap.configure(tracer_provider=PROVIDER)
    assert "HTTP_ENDPOINT" in str(told.value)
    assert "WEBSOCKET_ENDPOINT" in str(told.value)

    handle = sent(http_endpoint=receiver.url, websocket_endpoint=collector.url)

    assert list(handle.stats().destinations) == ["http", "websocket"]
    assert (len(receiver.requests), len(collector.ids)) == (1, 1)


def test_in_somebody_elses_pipeline(
    receiver: HTTPReceiver, collector: WebSocketReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made from their names, as the SDK does it, they read the environment; or say what is missing."""
    span = ReadableSpan(
        "POST", context=SpanContext(1, 2, False, TraceFlags(1)), attributes=encode(exchange()), end_time=1
    )
    addresses = {"http": receiver.url, "websocket": collector.url}
    for name, url in addresses.items():
        (found,) = entry_points(group="opentelemetry_traces_exporter", name=f"spantap_{name}")
        make: Any = found.load()
        with pytest.raises(ConfigurationError, match=f"{name.upper()}_ENDPOINT"):
            make()
        monkeypatch.setenv(f"OTEL_PYTHON_SPANTAP_{name.upper()}_ENDPOINT", url)
        exporter: SpanExporter = make()
        assert exporter.export([span]) is SpanExportResult.SUCCESS
        exporter.shutdown()

    assert (len(receiver.requests), len(collector.ids)) == (1, 1)


def test_secrets_are_not_shown() -> None:
    """Neither right nor wrong ones: not in errors, not in what is in force."""
    wrong = {
        "http_endpoint": "ftp://us3r:s3cret@a",
        "http_headers": "X-Key: s3cret",
        "http_token": "s3 cret",
        "websocket_endpoint": "http://us3r:s3cret@a",
        "websocket_token": "s3cret\n\x00",
    }
    with pytest.raises(ConfigurationError) as told:
        read(wrong, {})
    assert len(told.value.problems) == 5
    assert "s3" not in str(told.value)

    right = {
        "http_endpoint": "https://us3r:s3cret@a/in?api_key=s3cret",
        "http_headers": {"X-Key": "s3cret"},
        "websocket_endpoint": "wss://a",
        "websocket_token": "s3cret",
    }
    assert "s3" not in repr(read(right, {}))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"http_token": "x"}, "no effect without HTTP_ENDPOINT"),
        ({"websocket_acks": "no"}, "no effect without WEBSOCKET_ENDPOINT"),
        ({"client_id": "x"}, "no effect without HTTP_ENDPOINT or WEBSOCKET_ENDPOINT"),
        ({"http_endpoint": "http://u@a", "http_token": "x"}, "there is a user in HTTP_ENDPOINT already"),
        ({"http_endpoint": "http://a", "http_client_key": __file__}, "HTTP_CLIENT_CERTIFICATE"),
        ({"http_endpoint": "http://a", "http_certificate": "/nowhere"}, "no such file"),
        ({"http_endpoint": "http://a", "http_format": "ndjsn"}, "did you mean ndjson"),
        ({"http_endpoint": "http://a", "http_compression": "br"}, "none, gzip, zstd"),
        ({"http_endpoint": "http://a", "http_batch_size": "0"}, "from 1 to"),
        ({"websocket_endpoint": "ws://a", "websocket_token_in": "body"}, "header, message"),
        ({"websocket_endpoint": "ws://a", "websocket_acks": "perhaps"}, "true or false"),
        ({"http_endpoint": "http://a", "client_id": "ä"}, "ASCII"),
    ],
)
def test_mistakes(given: dict[str, str], told: str) -> None:
    """A setting that cannot work, or would do nothing, says so and what to do."""
    with pytest.raises(ConfigurationError, match=told):
        read(given, {})
