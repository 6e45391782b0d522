"""The key values are hashed with: given, read from a file, or fetched from a URL in the background."""

from __future__ import annotations

import http.client
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import context
from opentelemetry.instrumentation.utils import suppress_instrumentation

from spantap.guard import logger
from spantap.policy.redact import Redactor, Tally
from spantap.policy.redact.hashing import Hasher
from spantap.settings import Settings

TIMEOUT: Final = 5.0  # seconds for one try
_FIRST_WAIT: Final = 0.5  # seconds until the second try; doubled each time
_LONGEST_WAIT: Final = 60.0
_LARGEST: Final = 64 * 1024
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class FetchedKey:
    """A key that is fetched when the first request of a process begins. Thread-safe, fork-safe.

    Attributes:
        key: the key, or None while it is not there.
        key_id: its name, when the service tells one.
    """

    def __init__(self, url: str, headers: Sequence[tuple[str, str]]) -> None:
        self.key: bytes | None = None
        self.key_id: str | None = None
        self._url = url
        self._headers = dict(headers)
        self._shown = Redactor().url(url, Tally())
        self._begun: dict[int, threading.Event] = {}  # process id -> what ends the fetching

    def prepare(self) -> None:
        """Begin to fetch, unless the key is there or this process has begun."""
        if self.key is not None:
            return
        stop = threading.Event()
        if self._begun.setdefault(os.getpid(), stop) is not stop:
            return
        thread = threading.Thread(target=self._fetch, args=(stop,), name="spantap-hash-key", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down: no new threads
            self._begun.pop(os.getpid(), None)

    def stop(self) -> None:
        """Give up, if it is not there."""
        for event in self._begun.values():
            event.set()

    def _fetch(self, stop: threading.Event) -> None:
        wait, told = _FIRST_WAIT, False
        # We are no request of the app's: its trace and its instrumentations have nothing to do with this.
        context.attach(context.Context())
        if self._url.startswith("http:") and urlsplit(self._url).hostname not in _LOOPBACK:
            logger.warning("spantap fetches the hash key unencrypted, from %s; use https", self._shown)
        while not stop.is_set():
            try:
                with suppress_instrumentation():
                    self._take(self._answer())
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, values stay masked
                if not told:
                    told = True
                    logger.warning(
                        "spantap cannot fetch the hash key from %s: %s; what is to be hashed is masked until "
                        "it can. It is tried again, this is logged once",
                        self._shown,
                        _reason(error),
                    )
                stop.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                if told:
                    logger.warning("spantap has fetched the hash key from %s", self._shown)
                return

    def _answer(self) -> tuple[str, bytes]:
        request = urllib.request.Request(self._url, headers=self._headers)  # noqa: S310 - checked at start
        opener = urllib.request.build_opener(_StayHere)
        with opener.open(request, timeout=TIMEOUT) as response:
            return response.headers.get_content_type(), response.read(_LARGEST + 1)

    def _take(self, answer: tuple[str, bytes]) -> None:
        media_type, content = answer
        # A page to sign in, say: everybody can have that, and hash with it.
        if len(content) > _LARGEST or media_type.endswith(("html", "xml")) or content.lstrip()[:1] == b"<":
            raise _NoKeyError
        text = content.decode("utf-8")
        if media_type.endswith("json") or text.lstrip().startswith("{"):
            found: Any = json.loads(text)
            if not isinstance(found, dict):
                raise _NoKeyError
            key = found.get("secret_key") or found.get("key")
            key_id = found.get("key_id")
        else:
            key, key_id = text.strip(), None
        if not isinstance(key, str) or not key:
            raise _NoKeyError
        self.key_id = key_id if isinstance(key_id, str) and key_id else None
        self.key = key.encode()

    def __repr__(self) -> str:
        return f"FetchedKey({self._shown!r})"


class _NoKeyError(ValueError):
    """The answer holds no key."""


class _StayHere(urllib.request.HTTPRedirectHandler):
    """The header that opens the door is for the place that was named, and for no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _reason(error: Exception) -> str:
    """What went wrong, without a word of the answer."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, _NoKeyError):
        return "the answer has no text secret_key"
    if isinstance(error, (OSError, http.client.HTTPException)):
        return type(error).__name__
    return "the answer is neither JSON nor text"


def hasher_of(wanted: Settings) -> tuple[Hasher | None, FetchedKey | None]:
    """What hashes, and what fetches the key for it, if it is to be fetched."""
    name = wanted.hash_key_id
    if wanted.hash_key_url is not None:
        headers = wanted.hash_key_headers.value if wanted.hash_key_headers is not None else ()
        fetched = FetchedKey(wanted.hash_key_url, headers)
        hasher = Hasher(lambda: fetched.key, lambda: name or fetched.key_id, fetched.prepare)
        return hasher, fetched
    if wanted.hash_key is not None:
        given = wanted.hash_key.value.encode()
    elif wanted.hash_key_file is not None:
        given = wanted.hash_key_file.read_text("utf-8").strip().encode()
    else:
        return None, None
    return Hasher(lambda: given, lambda: name), None
