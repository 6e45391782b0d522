"""The door for requests: it sends with urllib3, whose door sees each request; here begins a call."""

from __future__ import annotations

from typing import Any, Final

from requests.sessions import Session

from spantap.outbound import sends
from spantap.outbound.patching import Patch

NAME: Final = "requests"


def instrument() -> None:
    """Tell urllib3's door which requests are those of requests, and what repeats what."""
    _PATCH.on()


def uninstrument() -> None:
    """Put the function back."""
    _PATCH.off()


def _send(original: Any, session: Any, *args: Any, **kwargs: Any) -> Any:
    token = sends.begin(NAME, reads=not kwargs.get("stream", getattr(session, "stream", False)))
    try:
        return original(session, *args, **kwargs)
    finally:
        sends.end(token)


_PATCH: Final = Patch(Session, "send", _send)
