"""The redactor: which shape a text has, and which rules therefore clean it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from spantap.policy.redact.echo import clean_echoes
from spantap.policy.redact.form import clean_fields, clean_pairs, looks_sensitive
from spantap.policy.redact.headers import clean_headers, plain_values
from spantap.policy.redact.json import clean_json
from spantap.policy.redact.keys import SensitiveNames, squashed
from spantap.policy.redact.patterns import encode
from spantap.policy.redact.plain import holds_secrets, spelt_out
from spantap.policy.redact.prefilter import Prefilter
from spantap.policy.redact.rules import DEEPEST, Rules, compile_names
from spantap.policy.redact.tally import MASK, Tally
from spantap.policy.redact.text import clean_text, scrub
from spantap.policy.redact.url import clean_path, clean_query, clean_url

_FORM: Final = "application/x-www-form-urlencoded"
_BRACKETS: Final = {"{": "}", "[": "]"}


class Redactor:
    """Takes secrets out of the parts of an exchange. Immutable, thread-safe.

    Nothing here raises on any input; a body that cannot be cleaned comes back as None.
    """

    __slots__ = ("_prefilter", "_rules")

    def __init__(
        self, *, keys: Iterable[str] = (), keep_keys: Iterable[str] = (), headers: Iterable[str] = ()
    ) -> None:
        """Args:
        keys: more sensitive names, plain; ``internal code`` is ``internalCode`` too, and is
            found inside longer names as whole words (``user_internal_code``).
        keep_keys: plain names that stay visible although they look sensitive; the whole name.
        headers: RE2 expressions, found anywhere in a header's name in any case: its values are
            masked whole.
        """
        extra = tuple(keys)
        self._prefilter = Prefilter(filter(None, map(squashed, extra)))
        self._rules = Rules(
            SensitiveNames(extra, keep_keys), self._prefilter, self._value, compile_names(headers)
        )

    def header_pairs(
        self, pairs: Iterable[tuple[str, str]], tally: Tally, *, quiet: bool = False
    ) -> list[tuple[str, str]]:
        """Field lines with lower-case names and clean values, in their order.

        Args:
            pairs: the field lines.
            tally: counts what is masked.
            quiet: `suspects` has found nothing in the `plain_values`.
        """
        return clean_headers(pairs, self._rules, tally, quiet=quiet)

    def plain_values(self, pairs: Iterable[tuple[str, str]]) -> list[str]:
        """The values of field lines that are masked only for what they look like, not for their name."""
        return plain_values(pairs, self._rules)

    def query(self, query: str, tally: Tally, *, quiet: bool = False) -> str:
        """A query string without ``?``.

        Args:
            query: the string.
            tally: counts what is masked.
            quiet: `suspects` has found nothing in it.
        """
        return clean_query(query, self._rules, tally, quiet=quiet)

    def path(self, path: str, tally: Tally) -> str:
        """A path: only values that give themselves away are masked, and ``;jsessionid=``."""
        return clean_path(path, self._rules, tally)

    def url(self, url: str, tally: Tally) -> str:
        """A URL, or a reference such as ``/path?query#fragment``."""
        return clean_url(url, self._rules, tally)

    def text(self, text: str, tally: Tally) -> str:
        """Free text or a traceback, also without every value in `Tally.secrets`."""
        return self._value(scrub(text, tally), tally, 0, MASK)

    def body(self, text: str, media_type: str, tally: Tally) -> str | None:
        """A body's text, or None when it cannot be cleaned and must be withheld.

        Args:
            text: the whole body, decoded. A beginning of one will not parse.
            media_type: the value of its Content-Type; parameters and case do not matter.
            tally: counts what is masked.
        """
        kind = media_type.partition(";")[0].strip().lower()
        if not text:
            return text
        if kind.endswith(("/json", "+json")):
            return self._json(text, tally)
        if kind == _FORM and text.lstrip()[:1] not in _BRACKETS:
            return clean_pairs(text, self._rules, tally, 0, MASK, "key")
        return self._other(text, tally)

    def fields(self, pairs: Sequence[tuple[str, str]], tally: Tally) -> list[tuple[str, str]]:
        """Names and values of a decoded form."""
        return clean_fields(pairs, self._rules, tally)

    def echoes(self, text: str, tally: Tally) -> str:
        """A clean body, also without the values that were masked elsewhere in the exchange."""
        return clean_echoes(text, tally) if tally.secrets else text

    def names_secret(self, name: str) -> bool:
        """Whether what stands under a name is a secret, whatever it looks like."""
        return name in self._rules.names

    def scrubbed(self, text: str, tally: Tally) -> str:
        """Text without the values that were masked elsewhere in the exchange."""
        return scrub(text, tally)

    def untouched(self, texts: Iterable[str], tally: Tally) -> bool:
        """Whether `text` would change none of these: one look at all of them together."""
        together = "\n".join(texts)
        return scrub(together, tally) == together and not self.suspects(together)

    def suspects(self, text: str) -> bool:
        """Whether anything sensitive could be in a text: a quick look that errs on yes."""
        return looks_sensitive(text, self._rules)

    def _json(self, text: str, tally: Tally) -> str | None:
        # Parsing costs more than looking, so a text without anything to mask is not parsed to
        # learn whether it is well-formed; that one is cut off is seen by its ends.
        if _closed(text) and not self._prefilter.anything_spelt(encode(text)):
            return text
        return clean_json(text.removeprefix("\ufeff"), self._rules, tally)

    def _other(self, text: str, tally: Tally) -> str | None:
        if not looks_sensitive(text, self._rules) and "&" not in text:
            return text
        if text.lstrip("\ufeff \t\r\n")[:1] in _BRACKETS:
            clean = clean_json(text.removeprefix("\ufeff"), self._rules, tally)
            if clean is not None:
                return clean
        return None if holds_secrets(text, self._rules) else text

    def _value(self, text: str, tally: Tally, depth: int, mask: str) -> str:
        """A string found somewhere: JSON, a URL, words; perhaps percent-encoded."""
        if len(text) < 4 or not looks_sensitive(text, self._rules):
            return text
        if depth > DEEPEST:
            tally.add("depth", text)
            return mask
        if text.lstrip()[:1] in ("{", "[", '"'):
            clean = clean_json(text, self._rules, tally, depth, mask)
            if clean is not None:
                return clean
        text = clean_text(text, self._rules, tally, depth, mask)
        spelt = spelt_out(text)
        if spelt == text:
            return text
        clean = self._value(spelt, tally, depth + 1, mask)
        return text if clean == spelt else clean


def _closed(text: str) -> bool:
    text = text.strip(" \t\r\n")
    return text[-1:] == _BRACKETS.get(text[:1], "") and len(text) > 1
