"""Who is behind a request, as other instrumentations write it on their spans: hidden like our own facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.trace import SpanKind

from spantap.codec import names
from spantap.policy.redact import MASK, Redactor, Tally

# Attribute -> what of `HASH` hides it; old and stable conventions.
_WHO: Final = {
    **dict.fromkeys(
        ("client.address", "network.peer.address", "net.peer.ip", "net.sock.peer.addr", "http.client_ip"),
        "client.address",
    ),
    **dict.fromkeys((names.USER_ID, "enduser.id"), "user"),
    names.USER_EMAIL: "email",
    names.SESSION_ID: "session",
}
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_AGENTS: Final = ("user_agent.original", "http.user_agent")


def who_hidden(
    kind: SpanKind, attributes: Mapping[str, Any], redactor: Redactor, tally: Tally
) -> dict[str, Any]:
    """What is to be said instead of some attributes of a span; None for those to be left out.

    Args:
        kind: of the span; on others than SERVER spans an address is that of somebody we call.
        attributes: its attributes.
        redactor: says what is to be done.
        tally: counts what is masked.
    """
    if kind is not SpanKind.SERVER or not (redactor.hashes or redactor.ruled):
        return {}
    hidden: dict[str, Any] = {}
    for name, field in _WHO.items():
        value = attributes.get(name)
        if not isinstance(value, str) or not value or field not in redactor.hashes:
            continue
        if field == "client.address" and (value == MASK or _DIGEST.fullmatch(value)):
            hidden[name] = value  # a span of ours begins with it hidden
            continue
        if field == "user":
            hidden[name] = None
            hidden[names.USER_HASH] = redactor.hashed(value, tally)
        else:
            clean = redactor.address if field == "client.address" else redactor.hashed
            hidden[name] = clean(value, tally)
    for name in _AGENTS:
        value = attributes.get(name)
        if isinstance(value, str) and _DIGEST.fullmatch(value):
            hidden[name] = value
        elif isinstance(value, str) and redactor.ruled:
            lines = redactor.header_pairs([("user-agent", value)], tally)
            hidden[name] = lines[0][1] if lines else None
    key_id = redactor.hash_key_id(tally)
    if key_id is not None:
        hidden[names.HASH_KEY_ID] = key_id
    return hidden
