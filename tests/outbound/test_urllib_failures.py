"""What fails, and what goes by proxies, with urllib: the app is told what it always was."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from outbound.conftest import Sent
from outbound.failures import failed_twice, says
from outbound.odd_bodies import JSON
from outbound.odd_server import CLEAN, PAYLOAD, OddServer

opening = urllib.request.urlopen


def failing(case: str, odd: OddServer) -> Any:
    if case == "refused":
        return opening("http://127.0.0.1:1/?password=s3cret-of-ours", timeout=30)
    if case == "no-such-host":
        return opening("http://nowhere.invalid/", timeout=30)
    if case == "port":
        return opening("http://127.0.0.1:port/")
    if case == "timeout":
        return opening(f"{odd.url}/hang", timeout=0.2)
    if case == "not-tls":
        return opening(odd.url.replace("http:", "https:"), timeout=30)
    if case == "body":
        return opening(urllib.request.Request(odd.url, data=iter([b"a", "b"]), headers=JSON))  # type: ignore[arg-type]
    if case == "header":
        return opening(urllib.request.Request(odd.url, headers={"X": "a\nb"}))
    if case == "short":
        return opening(f"{odd.url}/short").read()
    if case == "reset":
        with opening(f"{odd.url}/reset") as response:
            response.read(100)
            odd.go_on.set()
            return response.read()
    return opening(f"{odd.url}/nothing")


@pytest.mark.parametrize(
    ("case", "kind", "incomplete"),
    [
        ("refused", "urllib.error.URLError", None),
        ("no-such-host", "urllib.error.URLError", None),
        ("port", "http.client.InvalidURL", None),
        ("timeout", "TimeoutError", None),
        ("not-tls", "urllib.error.URLError", None),
        ("body", "TypeError", None),
        ("header", "ValueError", None),
        ("short", None, "unfinished_response"),
        ("reset", "ConnectionResetError", None),
        ("nothing", "http.client.RemoteDisconnected", None),
    ],
)
def test_failures(sent: Sent, odd: OddServer, case: str, kind: str | None, incomplete: str | None) -> None:
    """The app's exception is the one it has without capture, and the record has it."""
    without, raised, exchange = failed_twice(sent, odd, "urllib", lambda: failing(case, odd))

    assert (type(raised), str(raised)) == (type(without), str(without))
    assert says(exchange) == (kind, incomplete)
    assert "s3cret" not in repr(exchange)


def test_by_a_proxy(sent: Sent, odd: OddServer) -> None:
    """The record is of the server that was meant; the proxy gets the absolute URL."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": odd.url}))
    sent.start("urllib")

    with opener.open("http://shop.example:8080/plain?token=s3cret-of-ours") as response:
        assert response.read() == PAYLOAD

    assert odd.asked[0].target == "http://shop.example:8080/plain?token=s3cret-of-ours"
    exchange = sent.exchange
    assert (exchange.server.address, exchange.server.port) == ("shop.example", 8080)
    assert (exchange.request.path, exchange.request.query) == ("/plain", "token=REDACTED")


def test_through_a_tunnel(sent: Sent, odd: OddServer, tmp_path: Path) -> None:
    """TLS through a proxy: one record, of what went through it; the proxy is told nothing of the trace."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority.certificate))
    sent.start("urllib")

    with OddServer(context) as far:
        proxy = urllib.request.ProxyHandler({"https": odd.url})
        with urllib.request.build_opener(proxy, trusting).open(f"{far.url}/plain") as response:
            assert response.read() == PAYLOAD

    assert (odd.tunnels, odd.asked) == ([far.address], [])
    exchange = sent.exchange
    assert (exchange.server.address, exchange.server.port) == ("127.0.0.1", int(far.address.split(":")[1]))
    assert exchange.response.body.content == CLEAN


def test_a_password_in_the_url_is_not_told(sent: Sent) -> None:
    """urllib takes it for a port and quotes it: to the app, not in the record."""
    sent.start("urllib", theirs=True)

    with pytest.raises(http.client.InvalidURL, match=r"'s3cret of ours@127\.0\.0\.1'"):
        opening("http://ada:s3cret%20of%20ours@127.0.0.1/")

    exchange = sent.exchange
    assert exchange.error is not None
    assert exchange.error.message == "nonnumeric port: '[REDACTED]@127.0.0.1'"
    assert "s3cret" not in repr(exchange) + "".join(span.to_json() for span in sent.spans)
