"""Where a request goes, read from what the client was given."""

from __future__ import annotations

import contextlib
import urllib.request

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


def test_urllibs_host_header_says_no_password(sent: Sent, far: FarServer) -> None:
    """urllib leaves user and password of a URL in the header that names the host: the record does not."""
    sent.start("urllib")

    with contextlib.suppress(OSError):
        urllib.request.urlopen(far.url.replace("//", "//ann:kq7vt9xw2mzr@"))

    assert "kq7vt9xw2mzr" not in repr(sent.exchange)


def test_a_header_that_is_refused_is_not_quoted(sent: Sent, far: FarServer) -> None:
    """The client's exception quotes the header's value: it is known for a secret, though it was not sent."""
    sent.start("urllib3")

    with urllib3.PoolManager() as pool, pytest.raises(ValueError, match="kq7vt9xw2mzr"):
        pool.request("GET", far.url, headers={"X-Api-Key": "kq7vt9xw2mzr\r\nX-B: c"})

    assert "kq7vt9xw2mzr" not in repr(sent.exchange)
