"""What fails, and what goes by proxies, with urllib3: the app is told what it always was."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import urllib3

from certificates import Authority
from outbound.conftest import Sent
from outbound.failures import failed_twice, says
from outbound.odd_server import CLEAN, PAYLOAD, OddServer


def failing(case: str, odd: OddServer, pool: urllib3.PoolManager) -> Any:
    if case == "refused":
        return pool.request("GET", "http://127.0.0.1:1/")
    if case == "timeout":
        return pool.request("GET", f"{odd.url}/hang", timeout=0.2)
    if case == "not-tls":
        return pool.request("GET", odd.url.replace("http:", "https:"))
    if case == "reset":
        response = pool.request("GET", f"{odd.url}/reset", preload_content=False)
        response.read(100)
        odd.go_on.set()
        return response.read()
    return pool.request("GET", f"{odd.url}/{case}")


@pytest.mark.parametrize(
    ("case", "kind", "incomplete"),
    [
        ("refused", "urllib3.exceptions.NewConnectionError", None),
        ("timeout", "urllib3.exceptions.ReadTimeoutError", None),
        ("not-tls", "urllib3.exceptions.SSLError", None),
        ("short", None, "unfinished_response"),
        ("reset", "ConnectionResetError", None),
        ("nothing", "http.client.RemoteDisconnected", None),
    ],
)
def test_failures(
    sent: Sent, odd: OddServer, pool: urllib3.PoolManager, case: str, kind: str | None, incomplete: str | None
) -> None:
    """The app's exception is the one it has without capture; the record has what the connection had."""
    without, raised, exchange = failed_twice(sent, odd, "urllib3", lambda: failing(case, odd, pool))

    assert type(raised) is type(without)
    assert says(exchange) == (kind, incomplete)


def test_by_proxies(sent: Sent, odd: OddServer, tmp_path: Path) -> None:
    """The record is of the server that was meant, by an absolute URL or through a tunnel."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    sent.start("urllib3")

    with (
        OddServer(context) as far,
        urllib3.ProxyManager(odd.url, ca_certs=str(authority.certificate)) as manager,
    ):
        assert manager.request("GET", "http://shop.example/plain?n=1").data == PAYLOAD
        assert manager.request("GET", f"{far.url}/plain?n=2").data == PAYLOAD

    assert [each.target for each in odd.asked] == ["http://shop.example/plain?n=1"]
    assert odd.tunnels == [far.address]
    absolute, tunnelled = sent.exchanges
    assert (absolute.server.address, absolute.server.port) == ("shop.example", 80)
    assert (absolute.request.path, absolute.request.query) == ("/plain", "n=1")
    assert (tunnelled.server.address, tunnelled.server.port) == ("127.0.0.1", int(far.address.split(":")[1]))
    assert tunnelled.response.body.content == CLEAN
