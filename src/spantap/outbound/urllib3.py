"""The door for urllib3: every attempt it makes, for itself and for who sends with it (requests, boto3, ...).

One request of urllib3's is one call of a connection pool's `_make_request`: retries call it again, and so do
redirects. Above it are urllib3's public calls and, for requests, `Session.send`: there OpenTelemetry's own
instrumentations begin their spans, and there it is known what a request is a repetition of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.poolmanager import PoolManager

from spantap.guard import report
from spantap.otel.client_session import Sending
from spantap.otel.client_tap import ClientTap
from spantap.otel.passage import Passage
from spantap.outbound import http_client, sends
from spantap.outbound.excluded import Excluded
from spantap.outbound.http_client import Asked, observed
from spantap.outbound.patching import Patch, is_contribs
from spantap.outbound.sent_body import teed

NAME: Final = "urllib3"
# What text is sent in: until 2, that was left to `http.client`.
_TEXT: Final = "iso-8859-1" if urllib3.__version__[:2] == "1." else "utf-8"  # type: ignore[attr-defined]
_PORTS: Final = {"http": 80, "https": 443}

_tap: Callable[[], ClientTap] | None = None
_clients: frozenset[str] = frozenset()
_excluded = Excluded()


def instrument(tap: Callable[[], ClientTap], clients: frozenset[str] = frozenset({NAME})) -> None:
    """Capture what is sent from now on.

    Args:
        tap: gives the tap when the first request is sent.
        clients: whose requests: urllib3's own, those of `requests`, or both.
    """
    global _tap, _clients  # one capture per process
    _tap, _clients = tap, clients
    _excluded.read_anew()
    for patch in _PATCHES:
        patch.on()


def uninstrument() -> None:
    """Put the functions back."""
    for patch in reversed(_PATCHES):
        patch.off()


def _make_request(
    original: Any, pool: Any, connection: Any, method: Any, url: Any, *args: Any, **kwargs: Any
) -> Any:
    call = None
    try:
        if not args and isinstance(method, str) and isinstance(url, str):
            call = _opened(pool, method, url, kwargs)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("opening a request that is sent", error)
    if call is None:
        return original(pool, connection, method, url, *args, **kwargs)
    passage, kwargs = call
    tokens = passage.enter()
    try:
        if not isinstance(passage, Sending):
            return original(pool, connection, method, url, **kwargs)
        try:
            kwargs["body"] = teed(kwargs.get("body"), passage.request, _TEXT)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a request body", error)
        called = sends.sends_of_this_call()
        read_inside = bool(kwargs.get("preload_content")) or (called is not None and called.reads)
        try:
            with http_client.watched(connection, passage, read_inside=read_inside):
                response = original(pool, connection, method, url, **kwargs)
        except BaseException as error:
            http_client.failed(passage, error)
            raise
        if passage.seen.status is None:
            http_client.unseen(passage, response)
        return response
    finally:
        passage.leave(tokens)


def _opened(pool: Any, method: str, url: str, kwargs: dict[str, Any]) -> Any:
    """The passage of a request, and what to call `_make_request` with; None when nothing is to be done."""
    called = sends.sends_of_this_call()
    client = NAME if called is None else called.client
    if _tap is None or client not in _clients:
        return None
    resends = 0 if called is None else called.next()
    target = urlsplit(url) if "://" in url and url[0] != "/" else None  # in full when it goes by a proxy
    scheme = target.scheme if target else pool.scheme
    host = (target.hostname if target else pool.host) or ""
    port = (target.port if target else pool.port) or _PORTS.get(scheme)
    path, _, query = url.partition("#")[0].partition("?")
    path = (target.path if target else path) or "/"
    if _excluded.excludes(client, lambda: f"{scheme}://{host}:{port}{path}"):
        return None
    tap = _tap()
    asked = Asked(method, scheme, host.strip("[]"), port, path, query, resends, kwargs.get("headers"))
    passage = tap.open(method, observed, asked, again=resends > 0, under_contrib=_under_contrib(client))
    if passage is None:
        return None
    try:
        kwargs = {**kwargs, "headers": _carrying(kwargs.get("headers"), tap, passage, host)}
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("writing the trace on a request", error)
    return passage, kwargs


def _carrying(given: Any, tap: ClientTap, passage: Passage, host: str) -> Any:
    carried: dict[str, str] = {}
    tap.inject(passage, carried, host)
    if not carried:
        return given
    headers = given.copy() if hasattr(given, "copy") else dict(given or {})
    if type(headers) is dict:  # the others replace what is the same but for its case
        for name in [each for each in headers if each.lower() in carried]:
            del headers[name]
    for name, value in carried.items():
        headers[name] = value
    return headers


def _under_contrib(client: str) -> bool:
    """Whether OpenTelemetry's own instrumentation of a client, or of urllib3 beneath it, is in force."""
    if is_contribs(HTTPConnectionPool.urlopen):
        return True
    if client == NAME:
        return False
    from requests.sessions import Session

    return is_contribs(Session.send)


_PATCHES: Final = (
    Patch(HTTPConnectionPool, "_make_request", _make_request),
    Patch(HTTPConnectionPool, "urlopen", sends.calling(NAME)),
    Patch(PoolManager, "urlopen", sends.calling(NAME)),
)
