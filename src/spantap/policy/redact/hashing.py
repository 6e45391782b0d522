"""HMAC-SHA256: the same value has the same hash, and nobody without the key finds the value."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable

from spantap.policy.redact.tally import MASK, Tally


class Hasher:
    """Hashes with a key that may come later; until then, values are masked. Thread-safe.

    Attributes:
        key_id: names the key, for whoever compares hashes later; None when it has no name.
    """

    __slots__ = ("_key", "_key_id", "prepare")

    def __init__(
        self,
        key: Callable[[], bytes | None],
        key_id: Callable[[], str | None] = lambda: None,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """Args:
        key: tells the key, None while it is not known; must not wait.
        key_id: tells its name.
        prepare: called when a request begins, so that the key is there when it ends; must not wait.
        """
        self._key = key
        self._key_id = key_id
        self.prepare = prepare

    @property
    def key_id(self) -> str | None:
        """The name of the key."""
        return self._key_id()

    def hashed(self, value: str, tally: Tally, mask: str = MASK) -> str:
        """The hash of a value in lower-case hexadecimal digits; the mask while there is no key."""
        key = self._key()
        if key is None:
            tally.add("hash_key_missing")
            return mask
        digits = hmac.digest(key, value.encode("utf-8", "surrogatepass"), "sha256").hex()
        tally.hashes.add(digits)
        return digits

    def address(self, value: str, tally: Tally) -> str:
        """The hash of an address, however it is spelt."""
        return self.hashed(canonical_address(value), tally)

    def __repr__(self) -> str:
        return "Hasher()"


def canonical_address(text: str) -> str:
    """An IP address in its one form, the same for every version of Python; other text as it is.

    Without zone (``fe80::1%eth0``) and outer spaces; IPv6 as RFC 5952 has it; an IPv4 address in
    IPv6 clothes (``::ffff:1.2.3.4``) is the IPv4 address.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0].strip().strip("[]"))
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def host_of(text: str) -> str:
    """An address without the port that some proxies write behind it."""
    text = text.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.partition(":")
    return host if colon and port.isdecimal() and ":" not in port else text
