"""One request and what came back: the record everything else is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from spantap.model.message import Request, Response
from spantap.model.timing import Timing

Direction = Literal["inbound", "outbound"]


@dataclass(frozen=True, slots=True)
class Peer:
    """An end of the connection: address and port, either unknown."""

    address: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is behind an exchange, as far as the app told us; every part optional."""

    user: str | None = None
    user_hash: str | None = None
    email: str | None = None
    company: str | None = None
    session: str | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Error:
    """Why an exchange failed.

    Attributes:
        type: exception class (``ValueError``), status code as text (``500``) or a reason
            (``client_disconnected``): the value of ``error.type``.
        message: the exception's text, redacted; None when there was no exception.
    """

    type: str
    message: str | None = None


NOBODY = Identity()
_NO_PEER = Peer()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A captured HTTP exchange, clean of secrets: only `policy.pipeline` makes one.

    Attributes:
        trace_id, span_id: 32 and 16 hexadecimal digits; together the record's identity.
        parent_span_id: 16 hexadecimal digits, or None for a root.
        direction: ``inbound`` (we answered it) or ``outbound`` (we sent it).
        request, response: the two halves.
        timing: nanoseconds since the epoch.
        client, server: who asked, and who was asked.
        peer: the proxy that called the server, when its word about the client was taken.
        answering_span_id: of what we sent: the span of the request being answered meanwhile, 16 hexadecimal
            digits; the same as `parent_span_id`, unless there are spans in between.
        route: the template the framework matched (``/users/{id}``).
        endpoint: the framework's name of what handled it.
        identity: user, company, session, device.
        error: set when it failed.
        incomplete: why the record does not show the whole exchange
            (``client_disconnected``, ``timeout``), else None.
        metadata: the app's own facts about it; JSON types only.
        metrics: the app's own numbers.
        redactions: rule name -> how many values it masked.
        hash_key_id: names the key that values in it were hashed with, if any were and it has a name.
        service: the ``service.name`` that saw it.
        sampled: whether the trace is exported too.
        weight: how many exchanges it stands for, itself included: 1 unless a rate has left others out.
        capture_reason: why it was kept where not all are: ``rate``, ``error``, ``slow``, ``header``,
            ``keep``; None where all are.
    """

    trace_id: str
    span_id: str
    request: Request
    response: Response
    timing: Timing
    direction: Direction = "inbound"
    parent_span_id: str | None = None
    answering_span_id: str | None = None
    client: Peer = _NO_PEER
    server: Peer = _NO_PEER
    peer: Peer = _NO_PEER
    route: str | None = None
    endpoint: str | None = None
    identity: Identity = NOBODY
    error: Error | None = None
    incomplete: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    redactions: Mapping[str, int] = field(default_factory=dict)
    service: str | None = None
    sampled: bool = True
    hash_key_id: str | None = None
    weight: float = 1.0
    capture_reason: str | None = None
