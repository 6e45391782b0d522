"""What the settings of identity take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from spantap.policy.proxies import TrustedProxies
from spantap.settings_errors import NotAllowedError

WORD: Final = "one word"
PROXIES: Final = (
    "the number of proxies, or a list of addresses, networks (10.0.0.0/8) and unix; in the environment "
    "comma-separated"
)


def word(value: Any) -> str:
    """A text without blanks and commas."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or any(each.isspace() or each == "," for each in text):
        raise NotAllowedError(f"use {WORD}")
    return text


def proxies(value: Any) -> tuple[str, ...]:
    """What `TrustedProxies` is made from."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        raise NotAllowedError(f"use {PROXIES}")
    trusted = tuple(each.strip() for each in value if each.strip())
    try:
        TrustedProxies(trusted)
    except ValueError:
        raise NotAllowedError(f"use {PROXIES}") from None
    return trusted
