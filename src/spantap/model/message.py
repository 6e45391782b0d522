"""The two halves of an exchange."""

from __future__ import annotations

from dataclasses import dataclass, field

from spantap.model.body import EMPTY_BODY, Body
from spantap.model.headers import Headers


@dataclass(frozen=True, slots=True)
class Request:
    """A clean HTTP request.

    Attributes:
        method: as sent, upper-case for the methods HTTP knows.
        scheme: ``http`` or ``https``.
        path: the path as the server handed it to the app.
        query: the query string without ``?``, sensitive values replaced.
        headers: canonical and redacted.
        headers_dropped: header values left out because of the caps.
        body: what was kept of the body.
        http_version: ``1.1``, ``2``, ...; None when unknown.
        resends: how often it had been sent before: it is a retry, or follows a redirect or a challenge.
        browser, platform: what the user agent is and runs on, by name (``Firefox``, ``Android``); only
            where a destination asks for it (`policy.destination`).
    """

    method: str
    scheme: str
    path: str
    query: str = ""
    headers: Headers = field(default_factory=Headers)
    headers_dropped: int = 0
    body: Body = EMPTY_BODY
    http_version: str | None = None
    resends: int = 0
    browser: str | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A clean HTTP response.

    Attributes:
        status: the status code; None when the app never answered.
        headers: canonical and redacted.
        headers_dropped: header values left out because of the caps.
        body: what was kept of the body.
    """

    status: int | None = None
    headers: Headers = field(default_factory=Headers)
    headers_dropped: int = 0
    body: Body = EMPTY_BODY
