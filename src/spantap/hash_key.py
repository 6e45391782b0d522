"""The key values are hashed with: given, read from a file, or fetched from a URL in the background."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any, Final

from spantap import fetching
from spantap.fetching import Answer, Background, Source
from spantap.guard import logger
from spantap.policy.redact.hashing import Hasher
from spantap.settings import Settings

_FIRST_WAIT: Final = 0.5  # seconds until the second try; doubled each time
_LONGEST_WAIT: Final = 60.0
_LARGEST: Final = 64 * 1024


class FetchedKey:
    """A key that is fetched when the first request of a process begins. Thread-safe, fork-safe.

    Attributes:
        key: the key, or None while it is not there.
        key_id: its name, when the service tells one.
    """

    def __init__(self, url: str, headers: Sequence[tuple[str, str]]) -> None:
        self.key: bytes | None = None
        self.key_id: str | None = None
        self._source = Source(url, headers, _LARGEST)
        self._background = Background("spantap-hash-key", self._fetch)

    def prepare(self) -> None:
        """Begin to fetch, unless the key is there or this process has begun."""
        if self.key is None:
            self._background.begin()

    def stop(self) -> None:
        """Give up, if it is not there."""
        self._background.stop()

    def _fetch(self, stop: threading.Event) -> None:
        wait, told = _FIRST_WAIT, False
        shown = self._source.shown
        if self._source.open:
            logger.warning("spantap fetches the hash key unencrypted, from %s; use https", shown)
        while not stop.is_set():
            try:
                answer = self._source.ask()
                if answer is not None:
                    self._take(answer)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, values stay masked
                if not told:
                    told = True
                    logger.warning(
                        "spantap cannot fetch the hash key from %s: %s; what is to be hashed is masked until "
                        "it can. It is tried again, this is logged once",
                        shown,
                        error if isinstance(error, _NoKeyError) else fetching.reason(error),
                    )
                stop.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                if told:
                    logger.warning("spantap has fetched the hash key from %s", shown)
                return

    def _take(self, answer: Answer) -> None:
        media_type, content, _ = answer
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
        return f"FetchedKey({self._source.shown!r})"


class _NoKeyError(ValueError):
    """The answer holds no key."""

    def __str__(self) -> str:
        return "the answer has no text secret_key"


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
