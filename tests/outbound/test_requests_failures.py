"""What fails, and what goes by proxies, with requests: the app is told what it always was."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import requests

from certificates import Authority
from outbound.conftest import Sent
from outbound.failures import failed_twice, says
from outbound.odd_server import CLEAN, PAYLOAD, OddServer


def failing(case: str, odd: OddServer) -> Any:
    if case == "no-such-host":
        return requests.get("http://nowhere.invalid/", timeout=30)
    if case == "timeout":
        return requests.get(f"{odd.url}/hang", timeout=0.2)
    if case == "not-tls":
        return requests.get(odd.url.replace("http:", "https:"), timeout=30)
    if case == "reset":
        with requests.get(f"{odd.url}/reset", stream=True) as response:
            response.raw.read(100)
            odd.go_on.set()
            return response.content
    return requests.get(f"{odd.url}/{case}", timeout=30)


@pytest.mark.parametrize(
    ("case", "kind", "incomplete"),
    [
        ("no-such-host", "urllib3.exceptions.NameResolutionError", None),
        ("timeout", "urllib3.exceptions.ReadTimeoutError", None),
        ("not-tls", "urllib3.exceptions.SSLError", None),
        ("short", None, "unfinished_response"),
        ("reset", "ConnectionResetError", None),
        ("nothing", "http.client.RemoteDisconnected", None),
    ],
)
def test_failures(sent: Sent, odd: OddServer, case: str, kind: str | None, incomplete: str | None) -> None:
    """The app's exception is the one it has without capture; the record has what the connection had."""
    without, raised, exchange = failed_twice(sent, odd, "requests", lambda: failing(case, odd))

    assert type(raised) is type(without)
    assert says(exchange) == (kind, incomplete)


def test_by_a_proxy(sent: Sent, odd: OddServer) -> None:
    """The record is of the server that was meant; the proxy gets the absolute URL."""
    sent.start("requests")

    proxies = {"http": odd.url.replace("//", "//ada:s3cret-of-ours@")}
    response = requests.get("http://shop.example:8080/plain?token=s3cret-of-ours", proxies=proxies)

    assert response.content == PAYLOAD
    assert odd.asked[0].target == "http://shop.example:8080/plain?token=s3cret-of-ours"
    exchange = sent.exchange
    assert (exchange.server.address, exchange.server.port) == ("shop.example", 8080)
    assert (exchange.request.path, exchange.request.query) == ("/plain", "token=REDACTED")
    assert "s3cret" not in repr(exchange)


def test_through_a_tunnel(sent: Sent, odd: OddServer, tmp_path: Path) -> None:
    """TLS through a proxy: one record, of what went through it; the proxy is told nothing of the trace."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    sent.start("requests")

    with OddServer(context) as far:
        response = requests.get(
            f"{far.url}/plain", proxies={"https": odd.url}, verify=str(authority.certificate)
        )
        assert response.content == PAYLOAD
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{far.url}/plain")

    assert (odd.tunnels, odd.asked) == ([far.address], [])
    through, refused = sent.exchanges
    assert (through.server.address, through.server.port) == ("127.0.0.1", int(far.address.split(":")[1]))
    assert through.response.body.content == CLEAN
    assert refused.error is not None
    assert refused.error.type == "urllib3.exceptions.SSLError"


def test_no_tunnel(sent: Sent, odd: OddServer) -> None:
    """A proxy that refuses the tunnel: the app is told, nothing was sent to anybody, there is no record."""
    sent.start("requests")

    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://127.0.0.1:1/", proxies={"https": odd.url}, timeout=60)

    assert odd.tunnels == ["127.0.0.1:1"]
    assert sent.exchanges == []
