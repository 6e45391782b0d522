"""The redactor: which shape a text has, and which rules therefore clean it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Final

from spantap.policy.redact.cut import without_beginnings
from spantap.policy.redact.echo import clean_echoes, hears, scrub
from spantap.policy.redact.form import clean_fields, looks_sensitive
from spantap.policy.redact.graphql import clean_graphql, is_graphql
from spantap.policy.redact.hashing import Hasher
from spantap.policy.redact.headers import clean_headers, plain_values
from spantap.policy.redact.json import clean_json, clean_walking
from spantap.policy.redact.keys import SensitiveNames, squashed
from spantap.policy.redact.patterns import encode
from spantap.policy.redact.plain import spelt_out
from spantap.policy.redact.prefilter import Prefilter
from spantap.policy.redact.ruled import ADDRESS_RULES, RuleBook, Ruled
from spantap.policy.redact.ruled_headers import ruled_headers
from spantap.policy.redact.rules import DEEPEST, Rules, compile_names
from spantap.policy.redact.shapes import clean_body, clean_form, clean_inside, clean_whole
from spantap.policy.redact.tally import MASK, Tally
from spantap.policy.redact.text import clean_text
from spantap.policy.redact.url import clean_path, clean_query, clean_url
from spantap.policy.redact.user_rules import Rule
from spantap.policy.redact.wrapped import unwrapped
from spantap.policy.withheld import Withheld

_FORM: Final = "application/x-www-form-urlencoded"
_BRACKETS: Final = ("{", "[")


class Redactor:
    """Takes secrets out of the parts of an exchange. Immutable, thread-safe.

    Nothing here raises on any input but `Withheld`; a body that cannot be cleaned comes back as None.
    """

    __slots__ = ("_book", "_prefilter", "_ruled", "_rules", "hasher", "hashes")

    def __init__(
        self,
        *,
        keys: Iterable[str] = (),
        keep_keys: Iterable[str] = (),
        headers: Iterable[str] = (),
        values: Iterable[str] = (),
        rules: Sequence[Rule] = (),
        allow: bool = False,
        hasher: Hasher | None = None,
        hashes: Iterable[str] = (),
    ) -> None:
        """Args:
        keys: more sensitive names, plain; ``internal code`` is ``internalCode`` too, and is
            found inside longer names as whole words (``user_internal_code``).
        keep_keys: plain names that stay visible although they look sensitive; the whole name.
        headers: RE2 expressions, found anywhere in a header's name in any case: its values are
            masked whole.
        values: the optional detectors that are wanted (`detectors.OPTIONAL`).
        rules: the user's rules; the first that matches counts.
        allow: mask everything in bodies, queries, headers and cookies that no rule keeps.
        hasher: hashes for rules that ask for it.
        hashes: what is hashed of who is behind an exchange (``user``, ``client.address``, ...).
        """
        extra = tuple(keys)
        self.hasher = hasher
        self.hashes = frozenset(hashes)
        all_rules = (*rules, *(ADDRESS_RULES if "client.address" in self.hashes else ()))
        self._book = RuleBook(all_rules, allow=allow, hasher=hasher) if all_rules or allow else None
        self._ruled = None if self._book is None else self._book.anywhere
        self._prefilter = Prefilter(filter(None, map(squashed, extra)), values)
        self._rules = Rules(
            SensitiveNames(extra, keep_keys),
            self._prefilter,
            self._value,
            compile_names(headers),
            ruled=self._ruled if self._ruled is not None and (self._ruled.queries or allow) else None,
        )

    def of(self, path: str, route: str | None) -> tuple[Redactor, Redactor]:
        """The redactors of an exchange's request and response: this one, unless there are rules.

        Args:
            path: the path of the request.
            route: its route, if it has one.
        """
        if self._book is None:
            return self, self
        request, response = self._book.of(path, route)
        return self._with(request), self._with(response)

    def of_unknown(self, side: str | None = None) -> Redactor:
        """The redactor of a message nobody knows the path of: a rule for some paths holds, unless it keeps.

        Args:
            side: ``request``, ``response``, or None when that is not known, either.
        """
        return self if self._book is None else self._with(self._book.unknown(side))

    def _with(self, ruled: Ruled) -> Redactor:
        view = copy(self)
        view._ruled = ruled
        return view

    def header_pairs(
        self, pairs: Iterable[tuple[str, str]], tally: Tally, *, quiet: bool = False
    ) -> list[tuple[str, str]]:
        """Field lines with lower-case names and clean values, in their order.

        Args:
            pairs: the field lines.
            tally: counts what is masked.
            quiet: `suspects` has found nothing in the `plain_values`.
        """
        if self._ruled is not None:
            return ruled_headers(
                pairs,
                self._ruled,
                self._rules,
                tally,
                lambda lines: clean_headers(lines, self._rules, tally, quiet=quiet),
            )
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
        return clean_query(query, self._rules, tally, quiet=quiet, ruled=self._ruled)

    def path(self, path: str, tally: Tally) -> str:
        """A path: only values that give themselves away are masked, and ``;jsessionid=``."""
        return clean_path(path, self._rules, tally)

    def url(self, url: str, tally: Tally) -> str:
        """A URL, or a reference such as ``/path?query#fragment``."""
        return clean_url(url, self._rules, tally)

    def text(self, text: str, tally: Tally) -> str:
        """Free text or a traceback, also without every value in `Tally.secrets`."""
        return self._value(scrub(text, tally), tally, 0, MASK)

    def body(self, text: str, media_type: str, tally: Tally, *, cut: bool = False) -> str | None:
        """A body's text, or None when it cannot be cleaned and must be withheld.

        Args:
            text: the body, decoded.
            media_type: the value of its Content-Type; parameters and case do not matter.
            tally: counts what is masked.
            cut: whether it is only the beginning. What may be the beginning of a secret at its
                end is left out then.

        Raises:
            Withheld: the user's rules are for places this text does not have.
        """
        kind = media_type.partition(";")[0].strip().lower()
        if not text:
            return text
        if self._ruled is not None and self._ruled.bodies:
            return self._ruled_body(text, kind, tally, self._ruled, cut=cut)
        return self._open_body(text, kind, tally, cut=cut)

    def _ruled_body(self, text: str, kind: str, tally: Tally, ruled: Ruled, *, cut: bool) -> str | None:
        """A body the user has rules for; what cannot be told to be in no such place is withheld."""
        if kind == _FORM and text.lstrip()[:1] not in _BRACKETS:
            return clean_form(text, self._rules, tally, cut=cut, ruled=ruled)
        if ruled.places is None and not ruled.allow:
            return self._open_body(text, kind, tally, cut=cut)  # rules for fields of forms
        clean = clean_whole(text.removeprefix("\ufeff"), kind, self._rules, tally, cut=cut, ruled=ruled)
        if clean is not None:
            return clean
        if ruled.text_is_kept:
            return self._open_body(text, kind, tally, cut=cut)
        if kind.endswith(("/json", "+json")) and not ruled.drops_all:
            return None
        raise Withheld("allow-list" if ruled.allow else "rules")

    def _open_body(self, text: str, kind: str, tally: Tally, *, cut: bool) -> str | None:
        # Parsing costs more than looking, so JSON without anything to mask is not parsed to
        # learn whether it is well-formed; that one is cut off is seen by its ends.
        if not cut and kind.endswith(("/json", "+json")) and _closed(text):
            places = self._prefilter.touched(encode(text))
            if places == [] and not ("%" in text and looks_sensitive(text, self._rules)):
                return text
            if places is None:
                clean = clean_walking(text, self._rules, tally)
            else:
                clean = clean_json(text, self._rules, tally, places=places)
            if clean is not None:
                return clean
        return clean_body(text, kind, self._rules, tally, cut=cut)

    @property
    def ruled(self) -> bool:
        """Whether the user has rules, or only what is listed is shown."""
        return self._ruled is not None

    def hashed(self, text: str, tally: Tally) -> str:
        """The hash of a text; the mask while there is no key."""
        return MASK if self.hasher is None else self.hasher.hashed(text, tally)

    def address(self, text: str | None, tally: Tally) -> str | None:
        """The client's address as it may be shown."""
        if not text or "client.address" not in self.hashes:
            return text
        return MASK if self.hasher is None else self.hasher.address(text, tally)

    def hash_key_id(self, tally: Tally) -> str | None:
        """The name of the key that was hashed with, if anything was and it has one."""
        return self.hasher.key_id if tally.hashes and self.hasher is not None else None

    @property
    def allows(self) -> bool:
        """Whether only what rules keep is shown."""
        return self._ruled is not None and self._ruled.allow

    def fields(self, pairs: Sequence[tuple[str, str]], tally: Tally) -> list[tuple[str, str] | None]:
        """Names and values of a decoded form, as many; None for those that are dropped."""
        return clean_fields(pairs, self._rules, tally, self._ruled)

    def echoes(self, text: str, tally: Tally, *, cut: bool = False) -> str:
        """A clean body, also without the values that were masked elsewhere in the exchange.

        Args:
            text: the body.
            tally: knows the values.
            cut: whether it is only the beginning; one of them may begin at its end.
        """
        if not tally.secrets:
            return text
        clean = clean_echoes(text, tally)
        return without_beginnings(clean, tally.secrets) if cut else clean

    def hears(self, text: str, tally: Tally) -> bool:
        """Whether `echoes` would change a text that is whole; nothing is counted."""
        return bool(tally.secrets) and hears(text, tally)

    def names_secret(self, name: str) -> bool:
        """Whether what stands under a name is a secret, whatever it looks like."""
        return name in self._rules.names

    def scrubbed(self, text: str, tally: Tally) -> str:
        """Text without the values that were masked elsewhere in the exchange."""
        return scrub(text, tally)

    def untouched(self, texts: Iterable[str], tally: Tally) -> bool:
        """Whether `text` would change none of these: one look at all of them together."""
        if self._rules.ruled is not None:
            return False  # a rule may be for any URL
        together = "\n".join(texts)
        return scrub(together, tally) == together and not self.suspects(together)

    def suspects(self, text: str) -> bool:
        """Whether anything sensitive could be in a text: a quick look that errs on yes."""
        return looks_sensitive(text, self._rules)

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
        inside = unwrapped(text)
        if inside is not None:
            return text if self._value(inside, tally, depth + 1, mask) == inside else mask
        if mask == MASK and is_graphql(text):
            return clean_graphql(text, self._rules, tally)
        if mask == MASK:
            text = clean_inside(text, self._rules, tally, depth)
        text = clean_text(text, self._rules, tally, depth, mask)
        spelt = spelt_out(text)
        if spelt == text:
            return text
        clean = self._value(spelt, tally, depth + 1, mask)
        return text if clean == spelt else clean


def _closed(text: str) -> bool:
    text = text.strip(" \t\r\n")
    return (text[-1:] == "}" and text[0] == "{") or (text[-1:] == "]" and text[0] == "[")
