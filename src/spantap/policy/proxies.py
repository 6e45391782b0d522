"""Where a request came from, when proxies stand before the server and their word is taken.

Whoever sends a request may write any ``X-Forwarded-For``. Each proxy adds the address it was called
from at the end; so the list is read from its end, and only as far as the proxies are ours.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from spantap.model import Observation

X_FORWARDED_FOR: Final = "x-forwarded-for"
FORWARDED: Final = "forwarded"
UNIX: Final = "unix"  # in the list of networks: whoever calls by a Unix socket

_MOST: Final = 64  # entries that are looked at
_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^";]*))', re.IGNORECASE)
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TrustedProxies:
    """Finds the client behind proxies. Immutable, thread-safe.

    Attributes:
        spec: what it was made from; two of the same spec are equal.
    """

    __slots__ = ("_header", "_hops", "_networks", "_unix", "spec")

    def __init__(self, trusted: Sequence[str], header: str = X_FORWARDED_FOR) -> None:
        """Args:
            trusted: how many proxies there are (``["1"]``), or their addresses and networks, ``unix``
                among them for a Unix socket.
            header: the header they write, and the only one that is read.

        Raises:
            ValueError: one of them is no number, address or network.
        """
        self.spec = tuple(trusted)
        self._header = header
        self._hops = 0
        self._unix = UNIX in self.spec
        self._networks: tuple[_Network, ...] = ()
        if len(self.spec) == 1 and self.spec[0].isdecimal():
            self._hops = int(self.spec[0])
        else:
            self._networks = tuple(ipaddress.ip_network(each) for each in self.spec if each != UNIX)

    def place_client(self, seen: Observation) -> None:
        """Put the client's address in the place of the proxy's, and the proxy's where the peer's is."""
        listed = [value for name, value in seen.request_headers if name == self._header]
        if not listed or seen.peer_address is not None:
            return
        found = self._client(seen.client_address, _entries(listed, self._header))
        if found is not None:
            seen.peer_address, seen.peer_port = seen.client_address or UNIX, seen.client_port
            seen.client_address, seen.client_port = found

    def _client(self, peer: str | None, entries: list[str]) -> tuple[str, int | None] | None:
        """The farthest address a trusted proxy vouches for; None when that is the peer's own."""
        found = None
        trusted = self._trusts(_address(peer or "")[0], unix=not peer)
        for passed, entry in enumerate(reversed(entries)):
            if not (passed < self._hops or (trusted and not self._hops)):
                break
            address, port = _address(entry)
            if address is None:
                break  # "unknown", a name of the proxy's own, or garbage: what lies behind is hearsay
            found = str(address), port
            trusted = self._trusts(address)
        return found

    def _trusts(self, address: _Address | None, *, unix: bool = False) -> bool:
        if address is None:
            return unix and self._unix
        return any(address in network for network in self._networks)


def _entries(lines: list[str], header: str) -> list[str]:
    """Who asked whom, the first one first. Several lines are one list (RFC 9110, section 5.3)."""
    parts = ",".join(lines).split(",")[-_MOST:]
    if header != FORWARDED:
        return parts
    found = (_FOR.search(part) for part in parts)
    return ["" if each is None else each[1] or each[2] or "" for each in found]


def _address(text: str) -> tuple[_Address | None, int | None]:
    """An address and its port from ``1.2.3.4``, ``1.2.3.4:80``, ``::1``, ``[::1]`` or ``[::1]:80``."""
    text = text.strip()
    port = ""
    if text.startswith("["):
        text, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None, None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address, int(port) if port.isdecimal() and len(port) < 6 else None
