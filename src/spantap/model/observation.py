"""What a door saw, raw: the one type that may hold secrets.

An `Observation` lives from the first byte of a request to the end of the pipeline and goes
nowhere else: codecs, queues and destinations accept only an `Exchange`, which nothing but
`policy.pipeline` makes. The type checker keeps raw values out of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from spantap.model.exchange import Direction


@dataclass(frozen=True, slots=True)
class Collected:
    """Raw bytes of one body, up to a cap.

    Attributes:
        data: the first bytes that passed, content-coding and all.
        size: bytes that passed in all; more than ``len(data)`` when the cap was hit.
        missing: why data does not show the whole body although the cap was not hit
            (``file``: sent by the server from a file; ``switched-off``; ``unread``).
        whole: every byte of the message passed (the app read it to its end, the response
            was completed).
        uncoded: the content-coding its headers name was removed before it passed.
    """

    data: bytes = b""
    size: int = 0
    missing: str | None = None
    whole: bool = True
    uncoded: bool = False


NOTHING: Final = Collected()


@dataclass(slots=True)
class Observation:
    """One exchange as it passed a door, before any policy. Holds secrets; never exported."""

    method: str
    scheme: str
    path: str
    query: str
    start: int
    direction: Direction = "inbound"
    http_version: str | None = None
    client_address: str | None = None
    client_port: int | None = None
    server_address: str | None = None
    server_port: int | None = None
    peer_address: str | None = None
    peer_port: int | None = None
    user_agent: str | None = None
    request_headers: list[tuple[str, str]] = field(default_factory=list)
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    request_body: Collected = NOTHING
    response_body: Collected = NOTHING
    status: int | None = None
    route: str | None = None
    endpoint: str | None = None
    # What stands nowhere in the record, but may be quoted: name and password in the URL of what we send.
    unshown: frozenset[str] = frozenset()
    resends: int = 0
    first_byte: int | None = None
    end: int = 0
    error_type: str | None = None
    error_message: str | None = None
    incomplete: str | None = None
    user: str | None = None
    email: str | None = None
    company: str | None = None
    session: str | None = None
    device: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    answering_span_id: str | None = None
    sampled: bool = True
    service: str | None = None
    weight: float = 1.0
    capture_reason: str | None = None

    @property
    def error_status(self) -> str | None:
        """The status, if it is an error: from 500 on; for who sent the request, from 400 on."""
        status = self.status
        least = 500 if self.direction == "inbound" else 400
        return None if status is None or status < least else str(status)

    def add(self, facts: Mapping[Any, Any]) -> None:
        """Facts of the app's own: numbers are metrics, everything else is metadata."""
        for name, value in facts.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                try:
                    self.metrics[str(name)] = float(value)
                except OverflowError:  # no number a metric can be
                    self.metadata[str(name)] = value
            else:
                self.metadata[str(name)] = value
