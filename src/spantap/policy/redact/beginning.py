"""JSON that ends too early and is JSON so far: masked where it stands, like a whole document.

What a name or a value does not decide by itself is left to `loose`, which reads token by token.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from spantap.policy.redact.beside import LATER, LONGEST, NAMERS
from spantap.policy.redact.in_place import bare, clean_in_place
from spantap.policy.redact.patterns import compile_bytes, decode, encode
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, Tally

_LATER = compile_bytes(rf'"(?:{"|".join(sorted(LATER))})"\s*:\s*[^\s{{\[]', groups=False)
_TOKENS = re.compile(rb'"[^"]*(?:"|\Z)|[{}\[\]]')
_SCALAR = re.compile(rb'\s*:\s*("[^"]*(?:"|\Z)|[^\s"{}\[\],]+)')
_NAMES: Final = frozenset(f'"{each}"'.encode() for each in LATER | NAMERS)
_NAMERS: Final = frozenset(f'"{each}"'.encode() for each in NAMERS)
_NOTHING: Final = frozenset({b"null", b'""', b'"', b"true", b"false", f'"{MASK}"'.encode()})
_HIDDEN: Final = f'"{MASK}"'.encode()

_Member = tuple[bytes, int, int]  # its name with quotes, and the place of its value


def is_beginning(text: str) -> bool:
    """Whether a text is JSON up to its end, and ends too early."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return error.pos == len(text)
    return False


def clean_beginning(text: str, rules: Rules, tally: Tally) -> str | None:
    """The text with everything sensitive masked, or None when it is something else, or takes more to tell.

    Args:
        text: what claims to be JSON and is not well-formed.
        rules: what is sensitive.
        tally: counts what is masked.
    """
    return clean_so_far(text, rules, tally, "key") if is_beginning(text) else None


def clean_so_far(text: str, rules: Rules, tally: Tally, rule: str) -> str | None:
    """The same for what is a beginning.

    Args:
        text: the beginning of a JSON document.
        rules: what is sensitive.
        tally: counts what is masked.
        rule: as what values count whose names may come behind the end.
    """
    data = whole = encode(text)
    nameless = _nameless(whole) if _LATER.found(whole) else []
    for start, end in reversed(nameless):
        data = data[:start] + _HIDDEN + data[end:]
    shown = decode(data) if nameless else text
    places = rules.prefilter.touched(data)
    clean = None if places is None else clean_in_place(shown, data, places, rules, tally)
    if clean is not None:
        for start, end in nameless:
            tally.add(rule, decode(whole[start:end]).strip('"'))
    return clean


def _nameless(data: bytes) -> list[tuple[int, int]]:
    """The places of values whose names may come behind the end: no member beside them has told one."""
    found: list[tuple[int, int]] = []
    for members in _open_objects(bare(data)):
        if any(name in _NAMERS for name, _, end in members if end < len(data) or data[-1:] == b'"'):
            continue
        last = {name: (start, end) for name, start, end in members if name not in _NAMERS}
        found += [(start, end) for start, end in last.values() if end - start <= LONGEST]
    return sorted(found)


def _open_objects(text: bytes) -> list[list[_Member]]:
    """Of the objects that are not closed, the members that tell a name or may need one."""
    levels: list[list[_Member]] = [[]]
    for match in _TOKENS.finditer(text):
        token = match[0]
        if token in _NAMES:
            value = _SCALAR.match(text, match.end())
            if value is not None and value[1] not in _NOTHING:
                levels[-1].append((token, value.start(1), value.end(1)))
        elif token in b"{[":
            levels.append([])
        elif token in b"}]":
            levels.pop()
    return levels
