"""What client and server of one scene tell each other beside the connection: gates, and what was seen."""

from __future__ import annotations

import re
import threading
from typing import Any, Final

PATIENCE: Final = 20.0  # seconds somebody waits at a gate, or for a connection to end
# Differ from run to run: ports, addresses of objects, boundaries, what a digest is made with.
_VARYING: Final = (
    (re.compile(r"127\.0\.0\.1:\d+|localhost:\d+"), "HOST"),
    (re.compile(r"port=\d+|, \d{5}\b|(?<=')\d{4,5}(?=\\*')"), "PORT"),
    (re.compile(r"\b(0x)?[0-9a-f]{12}\b"), "0x"),
    (re.compile(r"\bfd=\d+, |laddr=\([^)]*\), |raddr=\([^)]*\)"), ""),
    (re.compile(r"boundary=[0-9a-f]{32}|--[0-9a-f]{32}"), "BOUNDARY"),
    (re.compile(r'(cnonce|response|nonce)="[^"]*"'), r"\1=..."),
)


def steady(text: str) -> str:
    """A text without what differs from run to run."""
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return text


class Stage:
    """Of one scene. Thread-safe.

    Attributes:
        client: what the client's side saw, in order.
        connections: what the server saw, by connection, in order.
        ours: names of request headers that spantap has added.
        requests: how many the server has read the head of.
        port: the server's.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.client: list[str] = []
        self.connections: list[list[str]] = []
        self.ours: set[str] = set()
        self.requests = 0
        self._gates: dict[str, threading.Event] = {}
        self._open = 0
        self._changed = threading.Condition()

    def note(self, what: object) -> None:
        """The client's side saw something."""
        self.client.append(steady(what if isinstance(what, str) else repr(what)))

    def gate(self, name: str) -> threading.Event:
        """An event of this name."""
        with self._changed:
            return self._gates.setdefault(name, threading.Event())

    def wait(self, name: str, notes: list[str] | None = None) -> None:
        """Until a gate is opened; noted when it never is."""
        if not self.gate(name).wait(PATIENCE):
            (self.client if notes is None else notes).append(f"waited in vain for {name}")

    def begun(self) -> list[str]:
        """A connection has been accepted; where to note what comes over it."""
        with self._changed:
            notes: list[str] = []
            self.connections.append(notes)
            self._open += 1
            return notes

    def ended(self) -> None:
        """A connection is over."""
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def until_quiet(self) -> None:
        """Until every connection is over."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._open, PATIENCE):
                self.client.append(f"{self._open} connections are still open")

    def seen(self) -> dict[str, Any]:
        """What to compare."""
        return {"client": self.client, "server": self.connections}
