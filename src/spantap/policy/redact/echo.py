"""Values masked in one place of an exchange that come back in another.

A validation error repeats the rejected password under ``input``, a search page what was typed:
no name there says that it is a secret, but the exchange has shown it to be one.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_plus

import orjson

from spantap.policy.redact.tally import MASK, Tally


def clean_echoes(text: str, tally: Tally) -> str:
    """Text without the values in `Tally.secrets`; JSON stays JSON, and the same text when there are none."""
    echoed = [secret for secret in tally.secrets if _stands_in(text, secret)]
    if not echoed:
        return text
    echoed.sort(key=len, reverse=True)  # a secret may be a part of another
    if text.lstrip()[:1] in ("{", "[", '"'):
        try:
            parsed = orjson.loads(text)
        except ValueError:
            parsed = None
        if parsed is not None:
            return orjson.dumps(_without(parsed, echoed, tally)).decode()
    for secret in echoed:
        for spelling in _spellings(secret):
            if spelling in text:
                tally.add("echo")
                text = text.replace(spelling, MASK)
    return text


def _stands_in(text: str, secret: str) -> bool:
    if secret in text:
        return True
    return not secret.isalnum() and any(each in text for each in _spellings(secret))


def _spellings(secret: str) -> tuple[str, ...]:
    """The ways a value stands in JSON, in a form and in a URL."""
    if secret.isalnum():
        return (secret,)
    written = json.dumps(secret, ensure_ascii=False)[1:-1]  # a lone surrogate is none of orjson's characters
    return (secret, written, quote(secret, errors="replace"), quote_plus(secret, errors="replace"))


def _without(value: Any, echoed: list[str], tally: Tally) -> Any:
    """A parsed document with the values replaced; as deep as the parser let it be."""
    if isinstance(value, str):
        for secret in echoed:
            if secret in value:
                tally.add("echo")
                value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {_without(name, echoed, tally): _without(each, echoed, tally) for name, each in value.items()}
    if isinstance(value, list):
        return [_without(each, echoed, tally) for each in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and str(value) in echoed:
        tally.add("echo")
        return MASK
    return value
