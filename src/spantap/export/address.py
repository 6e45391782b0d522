"""Where a remote destination is: a URL, and who we are there, which is shown to nobody."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from spantap.policy.redact import Redactor, Tally


@dataclass(frozen=True, repr=False)
class Address:
    """A URL taken apart. As text it shows no secrets.

    Attributes:
        url: without user and password.
        user, password: what stood before the host, decoded; None when nothing did.
    """

    url: str
    user: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        return Redactor().url(self.url, Tally())

    def __repr__(self) -> str:
        return repr(str(self))

    @classmethod
    def parse(cls, text: str, *schemes: str) -> Address:
        """Take a URL apart.

        Args:
            text: an absolute URL.
            *schemes: those it may have.

        Raises:
            ValueError: it is none; what is wrong with it, without quoting it.
        """
        wanted = " or ".join(f"{each}://" for each in schemes)
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError(f"use a URL with {wanted}, in ASCII, without spaces")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError(f"use a URL with {wanted}, a host and, if there is one, a port") from None
        if parts.scheme not in schemes or not parts.hostname or port == 0:
            raise ValueError(f"use a URL with {wanted} and a host")
        if parts.fragment:
            raise ValueError("a fragment (#...) is not sent to a server: leave it out, or write %23")
        place = parts.netloc.rpartition("@")[2]
        url = urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))
        user = parts.username or (None if parts.password is None else "")
        return cls(url, user and unquote(user), parts.password and unquote(parts.password))

    def authorization(self, token: str | None = None) -> str | None:
        """What belongs into the field of that name.

        A token goes as Bearer; user and password as Basic; a user alone (``https://key@host``, as
        a DSN is written) is a key, and goes as Bearer.
        """
        if token is not None:
            return f"Bearer {token}"
        if self.password is not None:
            pair = f"{self.user}:{self.password}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        return f"Bearer {self.user}" if self.user else None
