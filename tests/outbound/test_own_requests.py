"""What spantap itself sends and fetches is no exchange of the app's, and carries no trace of it."""

from __future__ import annotations

import urllib.request

import pytest
import requests

from outbound.conftest import Sent
from outbound.far_server import FarServer
from receivers.http import HTTPReceiver
from receivers.rates import RatesServer
from receivers.websocket import receiving


def test_what_we_send_is_not_captured(sent: Sent, far: FarServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every destination that is sent to, and all that is fetched, only the app's requests are kept."""
    rates, keys = RatesServer(), RatesServer()
    rates.answers = [(200, {"Content-Type": "application/json"}, b'{"capture_sample_rate": 1}')]
    keys.answers = [(200, {"Content-Type": "text/plain"}, b"a-key-that-is-long-enough-to-be-one")]
    with HTTPReceiver() as collector, HTTPReceiver() as otlp, receiving() as websocket:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url)
        sent.start(
            http_endpoint=collector.url,
            websocket_endpoint=websocket.url,
            capture_rates_url=rates.url,
            hash_key_url=keys.url,
        )

        for each in range(3):
            assert requests.get(f"{far.url}/{each}?who=ada").json() == {}
            with urllib.request.urlopen(f"{far.url}/{each}?who=ada") as response:
                assert response.read() == b"{}"

        assert [each.request.path for each in sent.exchanges] == ["/0", "/0", "/1", "/1", "/2", "/2"]
        came = [each.headers for each in (*collector.requests, *otlp.requests)]
        came += [*rates.asked, *keys.asked, *websocket.handshakes]
        assert collector.requests
        assert otlp.requests
        assert rates.asked
        assert keys.asked
        assert websocket.handshakes
        assert all("traceparent" not in headers for headers in came)
        assert sent.handle is not None
        assert not sent.handle.stats().not_kept
        sent.handle.shutdown(10)
    rates.close()
    keys.close()
