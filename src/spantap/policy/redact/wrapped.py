"""JSON in base64, as queues and webhooks send it."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import Final

import orjson

# What JSON begins with: {" { [{ ["
BEGINNINGS: Final = r"(?:eyJ|eyA|ewo|ew0|ewk|W3s|W1s|Wyc|WyJ)"
_BASE64 = re.compile(rf"\s*({BEGINNINGS}[A-Za-z0-9+/_-]{{13,}})={{0,2}}\s*")
_STANDARD: Final = str.maketrans("-_", "+/")


def unwrapped(text: str) -> str | None:
    """The JSON text that is all there is in some base64; None when it is anything else."""
    found = _BASE64.fullmatch(text)
    if found is None:
        return None
    try:
        inside = b64decode(found[1].translate(_STANDARD) + "==").decode()
        orjson.loads(inside)
    except (binascii.Error, ValueError):
        return None
    return inside
