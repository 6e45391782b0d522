"""Whether a name (of a JSON member, a form field, a query key, a header) stands for a secret.

Names are compared in a normal form in which ``userPassword``, ``User-Password``,
``user.password`` and ``user[password]`` are the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from spantap.policy.redact import families

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[^\W_A-Za-z0-9]+")
_SEPARATED = re.compile(r"[^\W_]+")
_INNOCENT = re.compile("|".join(families.INNOCENT))
_LAST = frozenset(families.LAST)
_LONGEST_RUN: Final = 4  # words in the longest entry ("mot de passe", "primary account number")
_LONGEST_NAME: Final = 256
_REMEMBERED: Final = 4096


def words(name: str) -> list[str]:
    """The words of a name, lower-case, split at separators and at camelCase humps."""
    return [each.lower() for each in _WORDS.findall(name)]


def squashed(name: str) -> str:
    """The letters and digits of a name, lower-case, nothing between them."""
    return "".join(_SEPARATED.findall(name)).lower()


_GLUED_STEMS = re.compile("|".join(re.escape(squashed(each)) for each in families.ANYWHERE))
# What `prefilter` lets stand between the words of a name, in bytes of UTF-8.
_BETWEEN: Final = r"(?:[\x00-/:-@\[-`{-\x7f]{0,4}|[^\x00-\x7f\w])"
_STEMS = re.compile("|".join(_BETWEEN.join(map(re.escape, each.split("-"))) for each in families.ANYWHERE))


def _ways(entry: list[str]) -> Iterator[tuple[str, ...]]:
    """An entry's words as a name may have them: apart, or some of them as one."""
    if len(entry) < 2:
        yield tuple(entry)
        return
    first, second, *rest = entry
    yield from ((first, *way) for way in _ways([second, *rest]))
    yield from _ways([first + second, *rest])


_ENTRIES = frozenset(way for each in families.WORDS for way in _ways(each.split("-")))


class SensitiveNames:
    """The families of sensitive names, plus the user's own, minus those the user keeps.

    Thread-safe: the table of remembered verdicts is only ever added to, and bounded.

    Attributes:
        verdicts: what was decided before, for callers in a hurry: a name that is not in it is
            not decided yet.
    """

    __slots__ = ("_extra", "_kept", "verdicts")

    def __init__(self, extra: Iterable[str] = (), kept: Iterable[str] = ()) -> None:
        """Args:
        extra: plain names that are sensitive too, also as whole words inside longer names.
        kept: plain names that stay visible although a family covers them; exact, not parts.
        """
        self._extra = frozenset(filter(None, map(squashed, extra)))
        self._kept = frozenset(filter(None, map(squashed, kept)))
        self.verdicts: dict[str, bool] = {}

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        verdict = self.verdicts.get(name)
        if verdict is None:
            verdict = self._judge(name)
            # Names come from strangers: neither many nor long ones may fill the memory.
            if len(name) <= _LONGEST_NAME and len(self.verdicts) < _REMEMBERED:
                self.verdicts[name] = verdict
        return verdict

    def _judge(self, name: str) -> bool:
        if not name.isascii():
            # Full-width and other compatibility letters are letters.
            name = unicodedata.normalize("NFKC", name)
        if len(name) > _LONGEST_NAME:
            # Nobody's field is called that; look at its stems alone.
            return _STEMS.search(name.lower()) is not None
        glued = squashed(name)
        if glued in self._kept:
            return False
        humps = words(name)
        plain = [each.lower() for each in _SEPARATED.findall(name)]
        if self._extra and (glued in self._extra or self._has_extra(humps) or self._has_extra(plain)):
            return True
        if not (_STEMS.search(name.lower()) or _listed(humps) or _listed(plain)):
            return False
        return not _about(humps, glued)

    def _has_extra(self, parts: list[str]) -> bool:
        return any(not self._extra.isdisjoint(_spelt("".join(run))) for run in _runs(parts))


def _listed(parts: list[str]) -> bool:
    return bool(parts) and (parts[-1] in _LAST or _made_of_entries(parts))


def _made_of_entries(parts: list[str]) -> bool:
    """Whether some consecutive words make an entry. What is one word there is one word here."""
    return any((*run[:-1], last) in _ENTRIES for run in _runs(parts) for last in _spelt(run[-1]))


def _runs(parts: list[str]) -> Iterator[list[str]]:
    """Consecutive words, up to as many as the longest entry has."""
    for start in range(len(parts)):
        for end in range(start + 1, min(start + _LONGEST_RUN, len(parts)) + 1):
            yield parts[start:end]


def _spelt(word: str) -> tuple[str, str, str]:
    """A word, and it without what does not hide it: digits at its end, the mark of a plural."""
    bare = word.rstrip("0123456789")
    return word, bare, bare.removesuffix("s")


def _about(humps: list[str], glued: str) -> bool:
    """Whether the name merely tells something about a secret, or only sounds like one."""
    if not humps:
        return False
    last = humps[-1]
    if len(humps) > 1 and (last in families.ABOUT or humps[0] in families.ASKS):
        return True
    if "tokens" in humps and not families.COUNTED.isdisjoint(humps):
        return True
    innocent = _INNOCENT.sub("", glued)
    return innocent != glued and not _GLUED_STEMS.search(innocent) and not _made_of_entries(humps)
