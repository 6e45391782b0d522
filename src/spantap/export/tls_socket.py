"""A TLS socket that one thread may read while another writes.

OpenSSL forbids two calls at once on one connection (its ``SSL`` object), and Python's `ssl.SSLSocket` did not
stand between them before 3.13: https://github.com/python/cpython/issues/151508. `websockets.sync` reads in a
thread of its own while its user writes; about one connection in a thousand then hung until its time was over,
or broke. https://docs.openssl.org/master/man7/openssl-threads/ has the rule,
https://docs.python.org/3/library/ssl.html#ssl.SSLContext.sslsocket_class the place to stand in.
"""

from __future__ import annotations

import os
import selectors
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["SharedTLSSocket", "client_context"]

_LOOK_AGAIN = 1.0
"""Seconds after which one that waits tries again: what was decrypted by the other's call wakes nobody."""

_T = TypeVar("_T")


def client_context(certificate: str | os.PathLike[str] | None) -> ssl.SSLContext:
    """The context of a client whose connections are `SharedTLSSocket`.

    Args:
        certificate: file with the authorities to trust; None for the usual ones.

    Raises:
        OSError: the file cannot be read, or holds no certificate.
    """
    context = ssl.create_default_context(cafile=certificate)
    context.sslsocket_class = SharedTLSSocket
    return context


class SharedTLSSocket(ssl.SSLSocket):
    """One call at a time reaches OpenSSL, and none waits there.

    Once the handshake is done the descriptor does not block; who must wait waits outside the lock, as long as
    `settimeout` allows. Any thread may call `recv`, `send` and `sendall`.
    """

    _turn: threading.Lock | None = None  # None until the handshake is done, which one thread does alone
    _limit: float | None = None

    def do_handshake(self, block: bool = False) -> None:
        """As `ssl.SSLSocket.do_handshake`; the socket may be shared from its end on."""
        super().do_handshake(block)
        self._limit = super().gettimeout()
        self._turn = threading.Lock()
        super().settimeout(0)

    def settimeout(self, value: float | None, /) -> None:
        """Seconds that one call may wait; None for no limit."""
        if self._turn is None:
            super().settimeout(value)
        else:
            self._limit = value

    def gettimeout(self) -> float | None:
        """What `settimeout` was told."""
        return super().gettimeout() if self._turn is None else self._limit

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """As `ssl.SSLSocket.recv`."""
        return self._in_turn(super().recv, buflen, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        """As `ssl.SSLSocket.send`; `sendall` is made of it."""
        return self._in_turn(super().send, data, flags)

    def _in_turn(self, call: Callable[..., _T], *arguments: Any) -> _T:
        if self._turn is None:
            return call(*arguments)
        until = None if self._limit is None else time.monotonic() + self._limit
        while True:
            try:
                with self._turn:
                    return call(*arguments)
            except (ssl.SSLWantReadError, BlockingIOError):
                event = selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                event = selectors.EVENT_WRITE
            self._wait(event, until)

    def _wait(self, event: int, until: float | None) -> None:
        left = _LOOK_AGAIN if until is None else min(until - time.monotonic(), _LOOK_AGAIN)
        if left <= 0:
            raise TimeoutError("timed out")
        with selectors.DefaultSelector() as selector:
            selector.register(self, event)
            selector.select(left)
