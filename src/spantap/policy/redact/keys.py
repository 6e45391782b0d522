"""Whether a name (of a JSON member, a form field, a query key, a header) stands for a secret.

Names are compared in a normal form in which ``userPassword``, ``User-Password``,
``user.password`` and ``user[password]`` are the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from spantap.policy.redact import families

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[^\W_A-Za-z0-9]+")
_SEPARATED = re.compile(r"[^\W_]+")
_INNOCENT = re.compile("|".join(families.INNOCENT))
_ENTRIES = frozenset(each.replace("-", "") for each in families.WORDS)
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


_STEMS = re.compile("|".join(re.escape(squashed(each)) for each in families.ANYWHERE))


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
            return _STEMS.search(squashed(name)) is not None
        glued = squashed(name)
        if glued in self._kept:
            return False
        humps = words(name)
        plain = [each.lower() for each in _SEPARATED.findall(name)]
        if self._extra and (glued in self._extra or _runs(humps, self._extra) or _runs(plain, self._extra)):
            return True
        if not (_STEMS.search(glued) or _listed(humps) or _listed(plain)):
            return False
        return not _about(humps, glued)


def _listed(parts: list[str]) -> bool:
    return bool(parts) and (parts[-1] in _LAST or _runs(parts, _ENTRIES))


def _runs(parts: list[str], entries: frozenset[str]) -> bool:
    """Whether some consecutive words make an entry; plurals and trailing digits do not hide it."""
    for start in range(len(parts)):
        run = ""
        for part in parts[start : start + _LONGEST_RUN]:
            run += part
            bare = run.rstrip("0123456789")
            if run in entries or bare in entries or (bare[-1:] == "s" and bare[:-1] in entries):
                return True
            run = bare or run
    return False


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
    return innocent != glued and not _STEMS.search(innocent) and not _runs(humps, _ENTRIES)
