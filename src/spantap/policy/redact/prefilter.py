"""One look at a text: could anything sensitive be in it at all?

The patterns run on google-re2, whose time is linear in the text whatever the pattern. They
err on the side of yes: every name `keys` calls sensitive and every value `detectors` finds
is seen here, and much that turns out harmless. A no is final and ends the work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from unicodedata import normalize

from spantap.policy.redact import families
from spantap.policy.redact.detectors import HINT, OPTIONAL, with_keys
from spantap.policy.redact.patterns import Pattern, compile_bytes
from spantap.policy.redact.wrapped import BEGINNINGS

# In JSON a line feed is written \n, and its letter is none of the name's.
_GAP: Final = r"(?:[^a-zA-Z0-9]|\\[bfnrt]){0,4}"
# A letter before a short word hides it, unless the letter belongs to an escape (\n).
_START: Final = r"(?:^|[^a-zA-Z]|\\[abfnrtv])"
# A member of a JSON web key tells of others. An escaped letter can spell any name, and so can a full-width
# or mathematical one, a long s, a Kelvin sign: a look is not enough then.
_ESCAPES: Final = (
    r"\"kty\"|\\[ux]|&#|\xef\xbc[\xa1-\xba]|\xef\xbd[\x81-\x9a]|\xc5\xbf|\xf0\x9d[\x90-\x9f]|\xe2\x84\xaa"
)
_END: Final = r"[sS]?(?:[^a-z]|$)"
# In a text that has none of these, no value is named, no URL stands, and nothing is spelt in another way.
_MARKS: Final = r"=:\uff1a\uff1d<%&\\\"'`是为為は는은"
_SIGNS: Final = (
    r"--|->|machine\s|[ \t](?:is|was|are|were|to|est|es|ist|lautet|now|been|wurde)[ \t:]"
    r"|[ \t](?:[\xe8\xe9|\u2013\u2014\u2192-]|\.{3})[ \t:]"
    r"|\s(?=\S{0,128}[0-9])[A-Za-z0-9_.~+/=-]{8}"  # a word that may be a value
)
NOTATION = re.compile(rf"[{_MARKS}]|{_SIGNS}|\S\r?\n\S")  # the last for a table
# In one that has none of these either, nothing but values that give themselves away.
SHAPED = re.compile(rf"[{_MARKS}{{\n]|{_SIGNS}|\A\s*(?:\[|{BEGINNINGS})")

_FEW: Final = 8
_APART: Final = 128  # bytes


class Prefilter:
    """Compiled patterns; immutable, thread-safe.

    Attributes:
        names: finds everything that could be a sensitive name.
        optional: rules and patterns of values that are masked only on demand, as far as they are.
    """

    __slots__ = ("_anything", "_in_escaped", "_values", "names", "optional")

    def __init__(self, extra: Iterable[str] = (), values: Iterable[str] = ()) -> None:
        """Args:
        extra: the user's sensitive names, squashed (letters and digits only).
        values: the rules of `detectors.OPTIONAL` that are wanted.
        """
        names = "|".join([_anywhere(), _whole_words(), *map(_user_name, extra)])
        self.names: Pattern = compile_bytes(names, groups=False)
        self.optional = tuple((each, compile_bytes(OPTIONAL[each])) for each in values)
        hint = "|".join([HINT, *(f"(?:{OPTIONAL[each]})" for each, _ in self.optional)])
        self._values = compile_bytes(hint, groups=False) if self.optional else _VALUES
        self._anything = compile_bytes(f"{names}|{hint}", groups=False)
        self._in_escaped = compile_bytes(f"{names}|{hint}|{_ESCAPES}", groups=False)

    def anything(self, data: bytes) -> bool:
        """Whether text could hold a sensitive name or value."""
        return self._anything.found(data)

    def anything_spelt(self, data: bytes) -> bool:
        """The same for text whose names may be spelt in other ways, JSON above all."""
        return self._in_escaped.found(data)

    def places(self, data: bytes) -> list[tuple[int, int]]:
        """Where that is which `anything_spelt` sees, whole private keys; places do not overlap."""
        places = self._in_escaped.places(data)
        return with_keys(places, data) if b"PRIVATE KEY" in data else places

    def touched(self, data: bytes) -> list[tuple[int, int]] | None:
        """The same for JSON: each string and number that anything could be in touches one.

        None when there are so many that a walk through everything takes less than a look at each.
        """
        most = _FEW + len(data) // _APART
        places = self._in_escaped.places(data, most + 1)
        return places if len(places) <= most else None

    def value_in(self, data: bytes) -> bool:
        """Whether text could hold a value some detector knows."""
        return self._values.found(data)


_VALUES = compile_bytes(HINT, groups=False)


def _anywhere() -> str:
    # What macOS makes of letters with marks: the letter, and the mark behind it.
    apart = {normalize("NFD", stem) for stem in families.ANYWHERE}
    stems = sorted({*families.ANYWHERE, *apart})
    return f"(?i:{'|'.join(_GAP.join(map(_cased, stem.split('-'))) for stem in stems)})"


def _whole_words() -> str:
    """Short names: after something that ends a word, or as a hump of a camelCase one."""
    anycase, humps = [], []
    for entry in (*families.WORDS, *families.LAST):
        first, *rest = entry.split("-")
        tail = "".join(_GAP + part for part in rest)
        anycase.append(first + tail)
        humps.append(f"(?:{first.capitalize()}|{first.upper()})" + (f"(?i:{tail})" if tail else ""))
    return f"(?:{_START}(?i:{'|'.join(anycase)})|[a-zA-Z](?:{'|'.join(humps)})){_END}"


def _cased(word: str) -> str:
    """Case is folded in ASCII only: spell out both cases of other letters."""
    return "".join(c if c.isascii() else f"(?:{c}|{c.upper()})" for c in word)


def _user_name(name: str) -> str:
    return f"(?i:{_GAP.join(map(_cased, name))})"
