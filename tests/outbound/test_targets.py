"""Where a request goes, read from what the client was given."""

from __future__ import annotations

import pytest
import urllib3

from outbound.conftest import Sent
from outbound.far_server import FarServer


@pytest.mark.parametrize("path", ["/proxy/http://other.test/a", "/a?next=https://other.test/"])
def test_a_url_in_a_path_is_no_proxys(sent: Sent, far: FarServer, path: str) -> None:
    """A path or query with a URL in it names another host; the request went to the one that was asked."""
    sent.start("urllib3")

    with urllib3.PoolManager() as pool:
        pool.request("GET", f"{far.url}{path}")

    request, server = sent.exchange.request, sent.exchange.server
    assert f"{request.path}?{request.query}".rstrip("?") == path
    assert f"{request.scheme}://{server.address}:{server.port}" == far.url


def test_a_user_agent_is_clean_from_the_start(sent: Sent, far: FarServer) -> None:
    """Processors of the app's own see a span as it begins: a token in the user agent is masked by then."""
    sent.start("urllib3", theirs=True)

    with urllib3.PoolManager() as pool:
        pool.request("GET", far.url, headers={"User-Agent": "app/1.0 (token=kq7vt9xw2mzr)"})

    (span,) = sent.spans
    assert far.asked[0].headers["user-agent"] == "app/1.0 (token=kq7vt9xw2mzr)"
    assert "kq7vt9xw2mzr" not in str(dict(span.attributes or {}))
