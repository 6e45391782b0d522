"""Values masked in one place of an exchange that come back in another.

A validation error repeats the rejected password under ``input``, a search page what was typed:
no name there says that it is a secret, but the exchange has shown it to be one.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote, quote_plus

import orjson

from spantap.policy.redact.tally import MASK, Tally

_LONG: Final = 40  # longer values are cut in the middle by those who quote them
_END: Final = 16


def clean_echoes(text: str, tally: Tally) -> str:
    """Text without the values in `Tally.secrets`; JSON stays JSON, and the same text when there are none."""
    if not _any_in(tally.secrets, text):
        return text  # mostly
    # JSON that spells letters in its own way, perhaps each of them, is read before it is searched.
    read = text.lstrip()[:1] in ("{", "[", '"') and ("\\" in text or "%" in text)
    secrets = _longest_first(tally.secrets)
    echoed = secrets if read else [secret for secret in secrets if _stands_in(text, secret)]
    if not echoed:
        return text
    if text.lstrip()[:1] in ("{", "[", '"'):
        try:
            parsed = orjson.loads(text)
        except ValueError:
            parsed = None
        if parsed is not None:
            before = tally.counts.get("echo", 0)
            clean = _without(parsed, echoed, tally)
            return text if tally.counts.get("echo", 0) == before else orjson.dumps(clean).decode()
    return _replaced(text, echoed, tally)


def scrub(text: str, tally: Tally) -> str:
    """Free text without the values that were masked elsewhere in the exchange, nor their ends."""
    secrets = tally.secrets
    if not _any_in(secrets, text) and not _any_end_in(secrets, text):
        return text  # mostly
    for secret in _longest_first(secrets):
        for spelling in (*_spellings(secret, text), repr(secret)[1:-1]):
            if spelling in text:
                text = text.replace(spelling, MASK)
        if len(secret) > _LONG:
            text = _without_ends(text, secret)
    return text


def hears(text: str, tally: Tally) -> bool:
    """Whether `clean_echoes` would change a text; nothing is counted."""
    return _any_in(tally.secrets, text) and clean_echoes(text, Tally.knowing(tally)) != text


def _any_in(secrets: Iterable[str], text: str) -> bool:
    """Whether one of them may stand in a text, in some spelling. A quick look that errs on yes."""
    if "\\" in text or "%" in text or "&" in text or "+" in text:
        return True  # without these `_spellings` knows only one
    for secret in secrets:  # noqa: SIM110 - a generator costs twice as much
        if secret in text:
            return True
    return False


def _any_end_in(secrets: Iterable[str], text: str) -> bool:
    """Whether the beginning or the end of a long value stands in a text."""
    for secret in secrets:
        if len(secret) > _LONG and (secret[:_END] in text or secret[-_END:] in text):
            return True
    return False


def _longest_first(secrets: Iterable[str]) -> list[str]:
    return sorted(secrets, key=len, reverse=True)  # a secret may be a part of another


def _stands_in(text: str, secret: str) -> bool:
    return any(each in text for each in _spellings(secret, text))


def _spellings(secret: str, text: str) -> tuple[str, ...]:
    """The ways a value may stand in a text: as it is, in JSON, in a form or a URL, in HTML."""
    if secret.isalnum() and secret.isascii():
        return (secret,)
    ways = [secret]
    if "\\" in text:
        ways += (json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1])
    if "%" in text:
        ways += (quote(secret, errors="replace"), quote_plus(secret, errors="replace"))
    elif "+" in text and " " in secret:
        ways.append(secret.replace(" ", "+"))
    if "&" in text:
        escaped = html.escape(secret)
        ways += (escaped, escaped.replace("&#x27;", "&#39;"), html.escape(secret, quote=False))
    return tuple(ways)


def _replaced(text: str, echoed: Iterable[str], tally: Tally) -> str:
    for secret in echoed:
        for spelling in _spellings(secret, text):
            if spelling in text:
                tally.add("echo")
                text = text.replace(spelling, MASK)
    return text


def _without_ends(text: str, secret: str) -> str:
    """Text without the beginning and the end of a value: pydantic quotes ``'first 25...last 24'``."""
    at = text.find(secret[:_END])
    if at >= 0:
        size = _END
        while size < len(secret) and text[at + size : at + size + 1] == secret[size]:
            size += 1
        text = text[:at] + MASK + text[at + size :]
    at = text.find(secret[-_END:])
    if at >= 0:
        size = _END
        while size < len(secret) and at + _END - size > 0 and text[at + _END - size - 1] == secret[-size - 1]:
            size += 1
        text = text[: at + _END - size] + MASK + text[at + _END :]
    return text


def _without(value: Any, echoed: list[str], tally: Tally) -> Any:
    """A parsed document with the values replaced; as deep as the parser let it be."""
    if isinstance(value, str):
        return _replaced(value, echoed, tally)
    if isinstance(value, dict):
        return {_without(name, echoed, tally): _without(each, echoed, tally) for name, each in value.items()}
    if isinstance(value, list):
        return [_without(each, echoed, tally) for each in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and str(value) in echoed:
        tally.add("echo")
        return MASK
    return value
