"""What the app's hooks are shown of an exchange while it is raw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from spantap.model import Collected, Headers, Observation
from spantap.policy.charsets import CHARSET
from spantap.policy.codings import decoded
from spantap.policy.withheld import Withheld

_LONGEST: Final = 1024 * 1024  # decoded bytes; a small body may unpack to a large one
_FORM: Final = "application/x-www-form-urlencoded"
_UNREAD: Final = object()


class RawMessage:
    """One half of an exchange, as it went over the wire.

    Attributes:
        headers: look-ups ignore case; each value is a tuple, `first` gives its first.
    """

    __slots__ = ("_body", "_collected", "headers")

    def __init__(self, pairs: list[tuple[str, str]], collected: Collected) -> None:
        self.headers = Headers(pairs)
        self._collected = collected
        self._body: Any = _UNREAD

    @property
    def body(self) -> Any:
        """What was kept of the body, read by its content type; made when asked for.

        JSON as dict, list, text, number; a form as dict of lists; other text as text; the rest, and what
        cannot be read, as bytes. None when nothing was kept: there was none, the app did not read it, a
        file was sent, or bodies are switched off. Long bodies are cut where the limit is.
        """
        if self._body is _UNREAD:
            self._body = _read(self._collected, self.headers)
        return self._body


class RawRequest(RawMessage):
    """The request. Attributes are those of HTTP; `query` is without the question mark."""

    __slots__ = ("_seen",)

    def __init__(self, seen: Observation) -> None:
        super().__init__(seen.request_headers, seen.request_body)
        self._seen = seen

    @property
    def method(self) -> str:
        """The method, as it was sent."""
        return self._seen.method

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return self._seen.scheme

    @property
    def path(self) -> str:
        """The path, as the server gave it to the app."""
        return self._seen.path

    @property
    def query(self) -> str:
        """The query string."""
        return self._seen.query

    @property
    def client_address(self) -> str | None:
        """The other end of the socket."""
        return self._seen.client_address


class RawResponse(RawMessage):
    """The response."""

    __slots__ = ("_seen",)

    def __init__(self, seen: Observation) -> None:
        super().__init__(seen.response_headers, seen.response_body)
        self._seen = seen

    @property
    def status(self) -> int | None:
        """The status code; None when the app never answered."""
        return self._seen.status


class RawExchange:
    """An exchange that is over, raw: what the hooks but `mask` are called with.

    It holds secrets. Take from it what the hook is asked for; do not keep it.

    Attributes:
        request, response: the two halves.
        scope: the ASGI scope; None under WSGI.
        environ: the WSGI environ; None under ASGI.
        framework_request: Django's or Flask's request object; None elsewhere (Starlette and FastAPI:
            ``Request(exchange.scope)``).
    """

    __slots__ = ("_seen", "environ", "framework_request", "request", "response", "scope")

    def __init__(
        self,
        seen: Observation,
        native: Mapping[str, Any] | None = None,
        framework_request: Any = None,
    ) -> None:
        """Args:
        seen: what the door saw.
        native: the scope or environ.
        framework_request: see the class.
        """
        self._seen = seen
        wsgi = native is not None and "wsgi.version" in native
        self.environ = native if wsgi else None
        self.scope = None if wsgi else native
        self.framework_request = framework_request
        self.request = RawRequest(seen)
        self.response = RawResponse(seen)

    @property
    def route(self) -> str | None:
        """The template the framework matched."""
        return self._seen.route

    @property
    def endpoint(self) -> str | None:
        """The framework's name of what handled it."""
        return self._seen.endpoint

    @property
    def error_type(self) -> str | None:
        """The class of the exception it ended with."""
        return self._seen.error_type

    @property
    def duration_ms(self) -> float:
        """Milliseconds from the request to the last byte."""
        return max(0, self._seen.end - self._seen.start) / 1e6

    @property
    def user(self) -> str | None:
        """The user, as far as app and framework have said it."""
        return self._seen.user

    @property
    def company(self) -> str | None:
        """The company, as far as the app has said it."""
        return self._seen.company

    @property
    def session(self) -> str | None:
        """The session, as far as app and framework have said it."""
        return self._seen.session

    @property
    def device(self) -> str | None:
        """The device, as far as the app has said it."""
        return self._seen.device


def _read(collected: Collected, headers: Headers) -> Any:
    if not collected.data or collected.missing is not None:
        return None
    try:
        codings = None if collected.uncoded else ", ".join(headers.get("content-encoding", ())) or None
        data = decoded(collected.data, codings, _LONGEST).data
    except Withheld:
        return collected.data
    header = headers.first("content-type") or ""
    media_type = header.partition(";")[0].strip().lower()
    found = CHARSET.search(header)
    if media_type.endswith(("/json", "+json")):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass  # cut, or broken: as text
    elif not (found or media_type.startswith("text/") or media_type == _FORM):
        return data
    try:
        text = data.decode(found[1] if found else "utf-8", "replace")
    except (LookupError, ValueError):
        text = data.decode("utf-8", "replace")
    return parse_qs(text, keep_blank_values=True) if media_type == _FORM else text
