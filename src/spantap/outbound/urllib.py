"""The door for urllib: every request its handlers for http and https send.

One request is one call of a handler's `do_open`, which makes an `http.client` connection of its own.
Redirects and answered challenges open a further request within the same `OpenerDirector.open`, where
OpenTelemetry's own instrumentation begins its span. ``data:``, ``file:`` and ``ftp:`` never come here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit
from urllib.request import AbstractHTTPHandler, OpenerDirector

from spantap.guard import report
from spantap.otel.client_session import Sending
from spantap.otel.client_tap import ClientTap
from spantap.otel.passage import Passage
from spantap.outbound import http_client, sends
from spantap.outbound.excluded import Excluded
from spantap.outbound.http_client import Asked, observed
from spantap.outbound.patching import Patch, is_contribs
from spantap.outbound.sent_body import teed

NAME: Final = "urllib"
_PORTS: Final = {"http": 80, "https": 443}

_tap: Callable[[], ClientTap] | None = None
_excluded = Excluded()


def instrument(tap: Callable[[], ClientTap]) -> None:
    """Capture what is sent from now on.

    Args:
        tap: gives the tap when the first request is sent.
    """
    global _tap  # one capture per process
    _tap = tap
    _excluded.read_anew()
    for patch in _PATCHES:
        patch.on()


def uninstrument() -> None:
    """Put the functions back."""
    for patch in reversed(_PATCHES):
        patch.off()


def _do_open(original: Any, handler: Any, http_class: Any, req: Any, **http_conn_args: Any) -> Any:
    opened = None
    try:
        opened = _opened(req)
    except Exception as error:  # noqa: BLE001 - our bug must not reach the app
        report("opening a request that is sent", error)
    if opened is None:
        return original(handler, http_class, req, **http_conn_args)
    tap, passage, host = opened
    token = passage.enter()
    try:
        with ExitStack() as watching:

            def make(*args: Any, **kwargs: Any) -> Any:
                connection = http_class(*args, **kwargs)
                try:
                    _prepare(connection, tap, passage, host, watching)
                except Exception as error:  # noqa: BLE001 - our bug must not reach the app
                    report("watching a connection", error)
                return connection

            response = original(handler, make, req, **http_conn_args)
        if isinstance(passage, Sending) and passage.seen.status is None:
            http_client.unseen(passage, response)
        return response
    except BaseException as error:
        if isinstance(passage, Sending):
            http_client.failed(passage, error)
        raise
    finally:
        passage.leave(token)


def _opened(req: Any) -> tuple[ClientTap, Passage, str] | None:
    """The passage of a request, and whom it is sent to; None when nothing is to be done."""
    if _tap is None:
        return None
    called = sends.sends_of_this_call()
    resends = called.next() if called is not None and called.client == NAME else 0
    target = urlsplit(req.full_url)  # of the server, also when it goes by a proxy
    host, path = target.hostname or "", target.path or "/"
    port = _port(target)
    if _excluded.excludes(NAME, lambda: f"{target.scheme}://{host}:{port}{path}"):
        return None
    tap = _tap()
    method, headers = req.get_method(), dict(req.header_items())
    userinfo = target.netloc.rpartition("@")[0]
    asked = Asked(method, target.scheme, host, port, path, target.query, resends, headers, userinfo)
    under_contrib = is_contribs(OpenerDirector.open)
    passage = tap.open(method, observed, asked, again=resends > 0, under_contrib=under_contrib)
    return None if passage is None else (tap, passage, host)


def _port(target: SplitResult) -> int | None:
    try:
        return target.port or _PORTS.get(target.scheme)
    except ValueError:  # urllib will say so
        return None


def _prepare(connection: Any, tap: ClientTap, passage: Passage, host: str, watching: ExitStack) -> None:
    """Have a connection's one request carry the trace, and its body noted."""
    own: dict[str, Any] | None = getattr(connection, "__dict__", None)
    if own is None:
        return  # one of another kind, that is seen from outside alone
    send = connection.request

    def request(method: Any, url: Any, body: Any = None, headers: Any = None, **kwargs: Any) -> Any:
        own.pop("request", None)
        try:
            headers = _carrying(headers or {}, tap, passage, host)
            if isinstance(passage, Sending):
                body = teed(body, passage.request, "iso-8859-1")
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a request that is sent", error)
        return send(method, url, body, headers, **kwargs)

    own["request"] = request  # on itself alone: some hand on what is set
    if isinstance(passage, Sending):
        watching.enter_context(http_client.watched(connection, passage))


def _carrying(headers: Any, tap: ClientTap, passage: Passage, host: str) -> dict[str, Any]:
    carried: dict[str, str] = {}
    tap.inject(passage, carried, host)
    return {**headers, **{name.title(): value for name, value in carried.items()}}  # as urllib writes them


_PATCHES: Final = (
    Patch(AbstractHTTPHandler, "do_open", _do_open),
    Patch(OpenerDirector, "open", sends.calling(NAME)),
)
