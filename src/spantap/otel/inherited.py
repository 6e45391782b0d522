"""Who is behind a request, on the spans beneath its own: what was known when they began.

That is what the app has said with `spantap.current()` by then, and, once the response has begun, what
its framework knows. Hooks come later, and may say otherwise: with one that does, nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from opentelemetry.sdk.trace import Span

from spantap.codec import names
from spantap.model import Identity, Observation
from spantap.otel.current import CURRENT, NOBODY
from spantap.policy.destination import DestinationPolicy

# Hooks that change who it was, at the end.
IDENTIFYING: Final = ("identify_user", "identify_company", "session_token", "device")
OVERRULING: Final = (*IDENTIFYING, "mask")
ATTRIBUTES: Final = {
    "user": names.USER_ID,
    "user_hash": names.USER_HASH,
    "email": names.USER_EMAIL,
    "company": names.COMPANY_ID,
    "session": names.SESSION_ID,
    "device": names.DEVICE_ID,
}
_UNSAID: Final = (None,) * 5


def allowed(policy: DestinationPolicy | None) -> bool:
    """Whether spans may say who it was, by the policy for spans."""
    return policy is None or policy.kept is None or "identity" in policy.kept


def inherit(span: Span, clean: Callable[[Observation], Identity]) -> None:
    """Write on a span that begins who is behind the request it belongs to, as far as that is known.

    Args:
        span: has just begun.
        clean: makes the identity as it may be shown.
    """
    current = CURRENT.get()
    if current is NOBODY:
        return
    seen = current.seen
    if seen is None or current.skipped or span.parent is None:
        return
    said = (seen.user, seen.email, seen.company, seen.session, seen.device)
    if said == _UNSAID:
        return
    told = current.told
    if told is None or told[0] != said:  # a request has many spans, and its identity is cleaned once
        identity = clean(seen)
        known = {name: getattr(identity, part) for part, name in ATTRIBUTES.items()}
        told = current.told = said, {name: value for name, value in known.items() if value is not None}
    span.set_attributes(told[1])
