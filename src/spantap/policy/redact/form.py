"""``a=1&b=2``: form bodies and query strings.

Pairs that are not masked keep their bytes, order and encoding. Names are compared after
decoding, so ``pass%77ord`` is a password.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from string import ascii_letters
from typing import Final
from urllib.parse import quote_plus, unquote, unquote_plus

from spantap.policy.redact.beside import NAMED, NAMING
from spantap.policy.redact.patterns import encode
from spantap.policy.redact.prefilter import NOTATION
from spantap.policy.redact.ruled import Ruled
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, URL_MASK, Tally

_MOST_LAYERS: Final = 4
_MOST_PASSES: Final = 3  # what is masked may make something else of what stands around it
_BETWEEN: Final = "\n\n"  # one for what is before it to end with, one for what is behind to begin with
# With one of these beside it, ``code`` is an OAuth authorization code, otherwise it is anything.
_OAUTH: Final = frozenset(
    {"state", "session_state", "grant_type", "iss", "redirect_uri", "client_id", "code_verifier", "scope"}
)


def clean_pairs(
    text: str,
    rules: Rules,
    tally: Tally,
    depth: int,
    mask: str,
    rule: str,
    *,
    quiet: bool = False,
    ruled: Ruled | None = None,
) -> str:
    """The pairs with sensitive values masked; the same text when there are none.

    Args:
        text: pairs joined by ``&``.
        rules: what is sensitive.
        tally: counts what is masked.
        depth: how deep inside other values we are.
        mask: what to put in place of a value.
        rule: what masked names count as (``key``, ``query``).
        quiet: a look at the text has found nothing already.
        ruled: the user's rules.
    """
    if not text or (ruled is None and "code" not in text and (quiet or not looks_sensitive(text, rules))):
        return text
    pairs = [pair.partition("=") for pair in text.split("&")]
    names = [_decoded(name) for name, _, _ in pairs]
    values = [_decoded(raw) for _, _, raw in pairs]
    oauth = not _OAUTH.isdisjoint(names)
    beside = _named_beside(names, values, rules)
    recoded = _Recoded([*names, *values], rules, tally, depth, mask)
    done = []
    for (raw_name, equals, raw), name, value in zip(pairs, names, values, strict=True):
        own = None if ruled is None else ruled.query(name) if rule == "query" else ruled.form(name)
        if ruled is not None and own is not None and own.action != "keep" and raw_name + raw:
            # A name without a value may be the value.
            treated = ruled.text(own, value if equals else name, tally, mask)
            if treated is not None:
                shown = recoded(raw_name, name) + equals if equals else ""
                done.append(shown + treated)
        elif own is not None:
            done.append(recoded(raw_name, name) + equals + recoded(raw, value))
        elif not equals:
            done.append(recoded(raw_name, name))
        else:
            if _names_secret(name, rules) or (oauth and name == "code") or name in beside:
                # `a;b=secret` is one pair to us and two to others: the name may hold the value.
                if value not in ("", MASK, URL_MASK):
                    tally.add(rule, value)
                    raw = mask
            else:
                raw = recoded(raw, value)
            done.append(f"{recoded(raw_name, name)}={raw}")
    return "&".join(done)


def clean_fields(
    pairs: Sequence[tuple[str, str]], rules: Rules, tally: Tally, ruled: Ruled | None = None
) -> list[tuple[str, str] | None]:
    """Names and values of a decoded form, masked by name and by what they look like.

    Args:
        pairs: names and values as the app reads them.
        rules: what is sensitive.
        tally: counts what is masked.
        ruled: the user's rules.

    Returns:
        As many; None for those that are dropped.
    """
    oauth = any(name in _OAUTH for name, _ in pairs)
    beside = _named_beside([name for name, _ in pairs], [value for _, value in pairs], rules)
    done: list[tuple[str, str] | None] = []
    for name, value in pairs:
        own = None if ruled is None else ruled.form(name)
        if own is not None and ruled is not None and own.action != "keep":
            treated = ruled.text(own, value, tally)
            if treated is None:
                done.append(None)
                continue
            value = treated
        elif own is not None:
            value = rules.value(value, tally, 1, MASK)
        elif _names_secret(name, rules) or (oauth and name == "code") or name in beside:
            if value not in ("", MASK):
                tally.add("key", value)
                value = MASK
        else:
            value = rules.value(value, tally, 1, MASK)
        done.append((rules.value(name, tally, 1, MASK), value))
    return done


def _names_secret(name: str, rules: Rules) -> bool:
    """Whether a field's name is sensitive, however often it was encoded."""
    for _ in range(_MOST_LAYERS):
        if name in rules.names:
            return True
        before, name = name, unquote_plus(name) if "%" in name else name
        if name == before:
            return False
    return name in rules.names


def _named_beside(names: Sequence[str], values: Sequence[str], rules: Rules) -> set[str]:
    """Fields another one names: ``name=password&value=...``, ``fields[0][name]``, ``form-0-name``."""
    last = [_last_word(name) for name in names]
    heads = {
        head
        for (head, word), value in zip(last, values, strict=True)
        if word in NAMING and value in rules.names
    }
    if not heads:
        return set()
    return {name for name, (head, word) in zip(names, last, strict=True) if head in heads and word in NAMED}


def _last_word(name: str) -> tuple[str, str]:
    bare = name.removesuffix("]")
    head = bare.rstrip(ascii_letters)
    return head, bare[len(head) :]


def looks_sensitive(text: str, rules: Rules) -> bool:
    """Whether anything could be in percent-encoded text, however often it was encoded."""
    if rules.prefilter.anything_spelt(encode(text)):
        return True
    for _ in range(_MOST_LAYERS):
        if "%" not in text and "+" not in text:
            return False
        decoded = unquote_plus(text)
        if decoded == text:
            return False
        if rules.prefilter.anything_spelt(encode(decoded)):
            return True
        text = decoded
    return unquote(text) != text  # nobody encodes that often in good faith


def suspicious(texts: Sequence[str], rules: Rules) -> set[int]:
    """The places of those texts that `looks_sensitive`, and perhaps of some more: one look at all of them."""
    together = _BETWEEN.join(texts)
    found: set[int] = set()
    ends: list[int] = []
    for start, end in rules.prefilter.places(encode(together)):
        if not ends:
            lengths = map(len, texts) if together.isascii() else (len(encode(each)) for each in texts)
            ends.extend(accumulate(length + len(_BETWEEN) for length in lengths))
        # A word may begin with what is before it, and end with what is behind.
        first = bisect_right(ends, start + len(_BETWEEN))
        found.update(range(first, min(bisect_right(ends, end - 1) + 1, len(texts))))
    if "%" in together or "+" in together:
        encoded = [index for index, each in enumerate(texts) if "%" in each or "+" in each]
        if looks_sensitive("\n".join([texts[index] for index in encoded]), rules):
            found.update(encoded)
    return found


def _decoded(raw: str) -> str:
    return unquote_plus(raw) if "%" in raw or "+" in raw else raw


class _Recoded:
    """What may hold something sensitive: cleaned, encoded again only if it changed."""

    __slots__ = ("_depth", "_harmless", "_mask", "_rules", "_tally", "_values")

    def __init__(self, texts: Sequence[str], rules: Rules, tally: Tally, depth: int, mask: str) -> None:
        """Args:
        texts: all that will be asked for, decoded: one look at them together is enough for most.
        rules: what is sensitive.
        tally: counts what is masked.
        depth: how deep inside other values we are.
        mask: what to put in place of a value.
        """
        self._rules = rules
        self._tally = tally
        self._depth = depth
        self._mask = mask
        suspects = suspicious(texts, rules)
        self._values = rules.prefilter.value_in(encode(_BETWEEN.join([texts[each] for each in suspects])))
        self._harmless = {each for index, each in enumerate(texts) if index not in suspects}

    def __call__(self, raw: str, decoded: str) -> str:
        if decoded in self._harmless or (not self._values and NOTATION.search(decoded) is None):
            return raw
        clean = decoded
        for _ in range(_MOST_PASSES):
            before, clean = clean, self._rules.value(clean, self._tally, self._depth + 1, self._mask)
            if clean == before:
                break
        if clean == decoded:
            return raw
        safe = "[]/:;,=@" if self._mask == URL_MASK else "[]"
        if "?" in raw and self._mask == URL_MASK:
            safe += "?"  # one that was encoded would begin the query of a fragment
        return quote_plus(clean, safe=safe, errors="replace")
