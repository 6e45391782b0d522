"""The end of a text that was cut: what could be the beginning of a secret is not shown.

Half a token, half a card number or half of ``https://user:password@host`` is known by no
detector. Names stand before their values and are seen, so what is unclosed behind a sensitive
one is masked by the shapes.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from typing import Final

# What tokens, URLs and numbers are made of, percent-encoded and escaped ones too.
_TOKEN: Final = string.ascii_letters + string.digits + "._~+/=|:%\\&#;-"
# Card and account numbers are written in groups, with gaps of any width on the same line.
_GAPS: Final = " \t-\u00a0\u202f" + "".join(map(chr, (*range(0x2000, 0x200C), *range(0x2010, 0x2016))))
_GROUPS: Final = string.ascii_uppercase + string.digits + _GAPS
_AFTER_URL: Final = " \t\r\n\"'<>`"
_AUTHORITY = re.compile(r":\\*/\\*/|%3a(?:%2f){2}", re.IGNORECASE)
_SCHEME: Final = string.ascii_letters + string.digits + "+.-"
_LEAST: Final = 4  # characters that tell that a secret begins


def without_tail(text: str) -> str:
    """A text that was cut, as far as it holds nothing unfinished."""
    start = max(map(text.rfind, _AFTER_URL)) + 1
    authority = _AUTHORITY.search(text, start)
    if authority is not None:
        text = text[: authority.start()].rstrip(_SCHEME)
    kept = text.rstrip(_TOKEN)
    return kept.rstrip(_GROUPS) if kept[-1:] not in ("\n", "\r") else kept


def without_beginnings(text: str, secrets: Iterable[str]) -> str:
    """A text that was cut, without the beginning of a known secret at its end."""
    for secret in secrets:
        if secret[:_LEAST] not in text[-len(secret) :]:
            continue
        for length in range(min(len(secret), len(text)), _LEAST - 1, -1):
            if text.endswith(secret[:length]):
                text = text[:-length]
                break
    return text
