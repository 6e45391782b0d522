"""Text no parser of ours reads: prose, logs, scripts."""

from __future__ import annotations

import re
from html import unescape
from typing import Final
from urllib.parse import unquote

from spantap.policy.redact.patterns import encode
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import Tally
from spantap.policy.redact.text import clean_text

# The first backslash of a run begins the search, or a run without an escape behind it costs its square.
_ESCAPE = re.compile(r"(?<!\\)\\+(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_PART_OF_NAME: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_LONGEST: Final = 64
_MOST_LAYERS: Final = 4


def clean_plain(text: str, rules: Rules, tally: Tally) -> str:
    """Text with everything sensitive masked, however it is spelt; the same text when there is nothing."""
    clean = spelt = clean_text(text, rules, tally)
    for _ in range(_MOST_LAYERS):
        text, spelt = spelt, spelt_out(spelt)
        if spelt == text:
            break
        done = clean_text(spelt, rules, tally)
        if done != spelt:
            clean = spelt = done
    return clean


def holds_secrets(text: str, rules: Rules) -> bool:
    """Whether a sensitive name or value stands anywhere in the text, however it is spelt."""
    return any(_holds(each, rules) for each in {text, spelt_out(text)})


def spelt_out(text: str) -> str:
    """Text with character references, backslash escapes and percent-encoding resolved."""
    if "&" in text:
        text = unescape(text)
    if "\\" in text:
        text = _ESCAPE.sub(_character, text)
    return unquote(text) if "%" in text else text


def _character(escape: re.Match[str]) -> str:
    code = int(escape[1] or escape[2] or escape[3], 16)
    return chr(code) if code <= 0x10FFFF else ""


def _holds(text: str, rules: Rules) -> bool:
    data = encode(text)
    if not rules.prefilter.anything(data):
        return False
    return _names_in(data, rules) or clean_text(text, rules, Tally()) != text


def _names_in(data: bytes, rules: Rules) -> bool:
    for match in rules.prefilter.names.finditer(data):
        start, end = match.start(), match.end()
        while start < end and data[start] not in _PART_OF_NAME:
            start += 1
        first, last = start, end
        while start > max(0, first - _LONGEST) and data[start - 1] in _PART_OF_NAME:
            start -= 1
        while (
            end < min(len(data), last + _LONGEST)
            and data[end - 1] in _PART_OF_NAME
            and data[end] in _PART_OF_NAME
        ):
            end += 1
        name = data[start:end].decode("utf-8", "replace")
        if name in rules.names or (data[start - 1 : start] == b"\\" and name[1:] in rules.names):
            return True
        # A match may end within a character.
        if not name.isascii() and data[first:last].decode("utf-8", "replace") in rules.names:
            return True
    return False
