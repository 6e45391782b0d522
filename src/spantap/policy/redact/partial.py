"""JSON that was cut: closed where it ends, cleaned like any other, and opened again.

The one thing that the beginning of a document may not tell is the name of a value that stands
before it (``{"value": "...", "name": "password"}``): such values are masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

from spantap.policy.redact.beginning import clean_so_far, is_beginning
from spantap.policy.redact.beside import LATER, LONGEST, NAMERS
from spantap.policy.redact.cut import without_tail
from spantap.policy.redact.in_place import bare
from spantap.policy.redact.json import clean_json
from spantap.policy.redact.patterns import decode, encode
from spantap.policy.redact.ruled import Ruled
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, Tally

_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
_LITERAL: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-."
_CLOSING: Final = {"{": "}", "[": "]"}

CleanText = Callable[[str], str]


def clean_partial(
    text: str, rules: Rules, tally: Tally, inner: CleanText, *, ruled: Ruled | None = None
) -> str | None:
    """The clean beginning of a JSON document, or None when it is not one.

    Args:
        text: what there is of it.
        rules: what is sensitive.
        tally: counts what is masked.
        inner: cleans the text of a string that was cut.
        ruled: the user's rules.
    """
    if ruled is None and is_beginning(text):
        shown = _shown(text, inner)
        clean = clean_so_far(shown, rules, tally, "cut")
        if clean is not None:
            return clean
    return clean_closed(text, rules, tally, inner, ruled=ruled)


def _shown(text: str, inner: CleanText) -> str:
    """A beginning without what may be the beginning of a name, a number or a secret at its end."""
    data = encode(text)
    unescaped = bare(data)
    if not unescaped.count(b'"') & 1:
        shown = text.rstrip(_LITERAL)  # a number or a word may go on
    else:
        quote = unescaped.rfind(b'"')
        shown, inside = decode(data[:quote]), decode(data[quote + 1 :])
        if _holds_value(shown):
            cleaned = _cleaned(without_tail(inside), inner)
            if cleaned is not None:
                return f'{shown}"{cleaned}'
    trimmed = shown.rstrip()
    return trimmed[:-1] if trimmed.endswith(",") else shown


def _holds_value(text: str) -> bool:
    """Whether the string that comes next is a value, not a name."""
    last = text.rstrip()[-1:]
    return last == ":" or (last != "{" and not is_beginning(text + '"":'))


def clean_closed(
    text: str, rules: Rules, tally: Tally, inner: CleanText, *, ruled: Ruled | None = None
) -> str | None:
    """The same by closing the document: for what `clean_so_far` leaves, and what its results are held to."""
    seen = _structure(text)
    if seen is None:
        return None
    openers, quote = seen
    closers = "".join([_CLOSING[each] for each in reversed(openers)])
    for shown, ending in _endings(text, quote, inner):
        whole = shown + ending + closers
        closed = _nameless_masked(whole, len(openers), tally, unfinished=ending != "")
        clean = None if closed is None else clean_json(closed, rules, tally, ruled=ruled)
        if clean is not None:
            return shown if clean == whole else _opened(clean, len(openers), ending)
    return None


def _structure(text: str) -> tuple[list[str], int] | None:
    """The brackets that are not closed, and where a string begins that is not closed, or -1."""
    openers: list[str] = []
    last = None
    for last in _STRUCTURE.finditer(text):
        token = last[0]
        if token in _CLOSING:
            openers.append(token)
        elif token[0] != '"' and (not openers or _CLOSING[openers.pop()] != token):
            return None
    if last is None or last[0][0] != '"' or last.end() < len(text):
        return openers, -1
    inside = last[0][1:]
    slashes = len(inside[:-1]) - len(inside[:-1].rstrip("\\"))
    closed = inside.endswith('"') and slashes % 2 == 0
    return openers, -1 if closed else last.start()


def _endings(text: str, quote: int, inner: CleanText) -> Iterator[tuple[str, str]]:
    """How the text may end: what is shown of it, and what completes it."""
    if quote < 0:
        text = text.rstrip(_LITERAL)  # a number or a word may go on
    else:
        # A string that is not closed: a value, shown as far as it goes, or a name, which is not.
        inside = _cleaned(without_tail(text[quote + 1 :]), inner)
        if inside is not None:
            yield text[: quote + 1] + inside, '"'
        text = text[:quote]
    bare = text.rstrip()
    if bare.endswith(":"):
        yield text, "null"
    elif bare.endswith(","):
        yield bare[:-1], ""
    else:
        yield text, ""
        yield text, ":null"


def _cleaned(inside: str, inner: CleanText) -> str | None:
    try:
        content: str = orjson.loads(f'"{inside}"')
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    clean = inner(content)
    return inside if clean == content else orjson.dumps(clean).decode()[1:-1]


def _nameless_masked(text: str, depth: int, tally: Tally, *, unfinished: bool) -> str | None:
    """A document whose last `depth` levels were closed by us, without values that lack a name."""
    try:
        root = node = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    changed = False
    for level in range(depth, 0, -1):
        if type(node) not in (dict, list):
            return None  # a repeated name has moved what comes last
        members = node if type(node) is dict else {}
        last = next(reversed(members), None) if level == 1 and unfinished else None
        if not any(type(members.get(name)) is str and name != last for name in NAMERS):
            for name in LATER.intersection(members):
                if _may_be_secret(members[name]):
                    members[name] = MASK
                    tally.add("cut")
                    changed = True
        if level > 1:
            values = node if type(node) is list else list(node.values())
            node = values[-1] if values else None
    return orjson.dumps(root).decode() if changed else text


def _may_be_secret(value: Any) -> bool:
    if type(value) is str:
        return value not in ("", MASK) and len(value) <= LONGEST
    return type(value) in (int, float)


def _opened(clean: str, depth: int, ending: str) -> str:
    """The clean document without what completed it, as far as that is still there."""
    closed = len(clean) - len(clean.rstrip("}]"))
    clean = clean[: len(clean) - min(closed, depth)]
    if ending == '"':
        return clean if clean.endswith(f'{MASK}"') else clean.removesuffix('"')
    return clean.removesuffix(ending) if ending else clean
