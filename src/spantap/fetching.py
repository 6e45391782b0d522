"""Something small that is fetched from a URL, in the background and never in a request."""

from __future__ import annotations

import http.client
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from opentelemetry import context
from opentelemetry.instrumentation.utils import suppress_instrumentation

from spantap.policy.redact import Redactor, Tally

TIMEOUT: Final = 5.0  # seconds for one try
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Answer(NamedTuple):
    """What a service has answered.

    Attributes:
        media_type: in lower case, without parameters.
        content: as far as it was read, a byte more than allowed when there was more.
        etag: names this answer, if it has a name.
    """

    media_type: str
    content: bytes
    etag: str | None


class Source:
    """A URL and what it is asked with.

    Attributes:
        shown: the URL without secrets.
        open: the way there is neither encrypted nor within this machine.
        tells: headers of the user's go along.
    """

    def __init__(self, url: str, headers: Sequence[tuple[str, str]], largest: int) -> None:
        """Args:
        url: checked, http or https.
        headers: sent along; they go to this URL and follow no redirect.
        largest: bytes an answer may have.
        """
        self.shown = Redactor().url(url, Tally())
        self.open = url.startswith("http:") and urlsplit(url).hostname not in _LOOPBACK
        self.tells = bool(headers)
        self._url = url
        self._headers = dict(headers)
        self._largest = largest

    def ask(self, etag: str | None = None) -> Answer | None:
        """One try; blocks, for `TIMEOUT` seconds of silence at most.

        Args:
            etag: of the answer that is there already.

        Returns:
            The answer; None when it is the one that is there already.

        Raises:
            OSError, http.client.HTTPException: there is none; `reason` says why.
        """
        headers = self._headers if etag is None else {**self._headers, "If-None-Match": etag}
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310 - checked at start
        opener = urllib.request.build_opener(_StayHere)
        try:
            with suppress_instrumentation(), opener.open(request, timeout=TIMEOUT) as response:
                content = response.read(self._largest + 1)
                return Answer(response.headers.get_content_type(), content, response.headers.get("etag"))
        except urllib.error.HTTPError as error:
            if error.code == 304 and etag is not None:
                return None
            raise


class Background:
    """A thread in each process that needs one, begun when it is first needed. Thread-safe, fork-safe."""

    def __init__(self, name: str, work: Callable[[threading.Event], None]) -> None:
        """Args:
        name: of the thread.
        work: runs in it, until the event is set; outside of any trace. It must not raise.
        """
        self._name = name
        self._work = work
        self._begun: dict[int, threading.Event] = {}  # process id -> what ends the work

    def begin(self) -> None:
        """Begin, unless this process has begun."""
        process = os.getpid()
        if process in self._begun:
            return
        stop = threading.Event()
        if self._begun.setdefault(process, stop) is not stop:
            return
        thread = threading.Thread(target=self._run, args=(stop,), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down: no new threads
            self._begun.pop(process, None)

    def stop(self) -> None:
        """End the work, for good."""
        self._begun.setdefault(os.getpid(), threading.Event())
        for event in self._begun.values():
            event.set()

    def _run(self, stop: threading.Event) -> None:
        # We are no request of the app's: its trace has nothing to do with this.
        context.attach(context.Context())
        self._work(stop)


class _StayHere(urllib.request.HTTPRedirectHandler):
    """The header that opens the door is for the place that was named, and for no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def reason(error: Exception) -> str:
    """Why there is no answer, or none of use, without a word of it."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, (OSError, http.client.HTTPException)):
        return type(error).__name__
    return "the answer is neither JSON nor text" if isinstance(error, ValueError) else type(error).__name__
