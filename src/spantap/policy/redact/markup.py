"""XML and HTML: elements, attributes and texts, masked where they stand.

In XML every element and attribute is named by the app, so names decide as in JSON. In HTML the
names are those of form fields, ``meta`` and the like, and everything else is text.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from html import escape, unescape
from typing import Final

from spantap.policy.redact.beside import LONGEST, NAMED, NAMING, NOT_ALONE
from spantap.policy.redact.cut import without_tail
from spantap.policy.redact.html import Page
from spantap.policy.redact.patterns import compile_bytes, encode
from spantap.policy.redact.plain import clean_plain
from spantap.policy.redact.prefilter import NOTATION
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.stretches import Stretches
from spantap.policy.redact.tags import Attribute, Token, tokens
from spantap.policy.redact.tally import MASK, Tally

_HTML = re.compile(r"\s*(?:<\?xml[^>]{0,256}>\s*)?(?:<!doctype\s+html|<html|<head|<body)\b", re.IGNORECASE)
_OWN_ENTITIES = compile_bytes(r"(?i:<!doctype[^>]*\[|<!entity)", groups=False)  # in linear time
# Elements whose text names what their neighbour holds: plist, XML-RPC, Java's properties.
_NAMERS: Final = frozenset(each.lower() for each in NAMING) - NOT_ALONE
_NAMED: Final = frozenset(each.lower() for each in NAMED)
# What an attribute may be called, in templates, too. Others are running text.
_ATTRIBUTE = re.compile(r"[\w@#*:.$\[\]()-]*[\w\])]")
_MOST_COMMENTS: Final = 2  # one within the other


def clean_markup(
    text: str,
    rules: Rules,
    tally: Tally,
    *,
    html: bool,
    sure: bool = False,
    cut: bool = False,
    depth: int = 0,
    level: int = 0,
) -> str | None:
    """Markup with everything sensitive masked, or None when it has entities of its own.

    Args:
        text: the markup; need not be well-formed.
        rules: what is sensitive.
        tally: counts what is masked.
        html: whether it is HTML; XML otherwise, unless it says that it is HTML.
        sure: it is XML, says its media type; what may be running text is cleaned as that, too.
        cut: whether it ends too early.
        depth: how many comments are around it.
        level: how deep inside other values we are.
    """
    if "<!" in text and _OWN_ENTITIES.search(encode(text)):
        return None
    html = html or _HTML.match(text) is not None
    document = _Document(text, rules, tally, html=html, cut=cut, depth=depth, level=level)
    clean = document.clean()
    return clean if (sure or html) and not document.doubtful else clean_plain(clean, rules, tally)


@dataclass(slots=True)
class _Element:
    """An element that is not closed yet."""

    name: str = ""
    values: list[tuple[int, int]] = field(default_factory=list)  # texts a name may stand beside
    named: bool = False  # a neighbour names a secret
    nameless: bool = True


class _Document:
    """One pass over one text.

    Attributes:
        doubtful: some tags are none, or are broken; what stands in there may be running text.
    """

    def __init__(
        self, text: str, rules: Rules, tally: Tally, *, html: bool, cut: bool, depth: int, level: int
    ) -> None:
        self.doubtful = False
        self._level = level
        self._depth = depth
        self._text = text
        self._rules = rules
        self._tally = tally
        self._cut = cut
        self._values = rules.prefilter.value_in(encode(unescape(text)))
        self._page = Page(rules) if html else None
        self._edits: list[tuple[int, int, str]] = []
        self._path = [_Element()]
        self._open: Counter[str] = Counter()
        self._hidden: str | None = None  # the element in which everything is masked
        self._hidden_whole = False  # attributes of any name, too
        self._nested = 0
        self._stretches: Stretches | None = None

    def clean(self) -> str:
        """The clean text."""
        text = self._text = without_tail(self._text).rstrip("<") if self._cut else self._text
        self._stretches = None if self._page is None else Stretches(text, self._rules)
        for token in tokens(text, html=self._page is not None, passed=self._passed):
            if (
                self._cut
                and not token.whole
                and token.kind in ("open", "close", "declaration", "instruction")
            ):
                text = text[: token.start]
                break
            if not token.whole or (token.attributes and not self._is_tag(token)):
                self.doubtful = True
            if token.kind == "open":
                self._opened(token)
            elif token.kind == "close":
                self._closed(token)
            else:
                self._said(token)
        for element in self._path:
            if element.nameless:
                for start, end in element.values:
                    self._mask(start, end)
        return self._edited(text)

    def _is_tag(self, token: Token) -> bool:
        """Whether it is what tags are: its attributes are not called like pieces of text."""
        names = [each.name for each in token.attributes]
        if token.kind != "open" or not all(map(_ATTRIBUTE.fullmatch, names)):
            return False
        return not (self._values and self._rules.prefilter.value_in(encode("\n".join(names))))

    def _passed(self, at: int) -> int:
        """Where to read on: most of a page has nothing in it."""
        if self._stretches is None or self._page is None or self._hidden is not None or not self._page.idle:
            return at
        return self._stretches.passed(at)

    def _opened(self, token: Token) -> None:
        name = self._name(token)
        if self._hidden is not None and not (self._page and self._page.ends(self._hidden, name)):
            self._attributes(token.attributes, secret=True, all_of_them=self._hidden_whole)
            self._nested += name == self._hidden and not token.empty
            return
        self._hidden = None
        whole = False
        if self._page is not None:
            self._attributes(token.attributes, secret=self._page.opened(token, self._text))
            hidden = self._page.hides(token)
        else:
            named = any(self._names_secret(each) for each in token.attributes)
            whole = token.local in self._rules.names
            self._attributes(token.attributes, secret=named, all_of_them=whole)
            hidden = whole or named or self._path[-1].named
            self._path[-1].named = False
        if token.empty:
            return
        if hidden:
            self._hidden, self._hidden_whole, self._nested = name, whole, 1
        elif self._page is None:
            self._path.append(_Element(name))
            self._open[name] += 1

    def _name(self, token: Token) -> str:
        return token.name if self._page is None else token.name.lower()

    def _names_secret(self, attribute: Attribute) -> bool:
        value = unescape(self._text[attribute.start : attribute.end]).strip()
        return attribute.name.rpartition(":")[2].lower() in NAMING and value in self._rules.names

    def _closed(self, token: Token) -> None:
        if self._hidden is not None:
            name = self._name(token)
            self._nested -= name == self._hidden
            if self._nested == 0 or (self._page and self._page.ends(self._hidden, name)):
                self._hidden = None
        elif self._page is not None:
            self._page.closed(token)
        elif self._open[token.name]:
            while True:
                element = self._path.pop()
                self._open[element.name] -= 1
                if element.name == token.name:
                    break

    def _said(self, token: Token) -> None:
        ends = {"comment": 3, "cdata": 3, "instruction": 2, "declaration": 1}
        end = token.end - (ends.get(token.kind, 0) if token.whole else 0)
        raw = self._text[token.inside : end]
        if not raw.strip():
            return
        if self._hidden is not None or (self._page is not None and self._page.awaits(token, raw)):
            self._mask(token.inside, end)
            return
        if self._page is None and token.kind in ("text", "cdata"):
            self._noted(token, raw, end)
        content = unescape(raw) if token.kind == "text" else raw
        clean = self._cleaned(content, token.kind)
        if self._page is not None and token.kind == "text":
            before = self._page.before(content)
            if before and clean == content:
                clean = self._continued(before, content)
            self._page.said(content)
        if clean != content:
            written = escape(clean, quote=False) if token.kind == "text" else clean
            self._edits.append((token.inside, end, written))

    def _continued(self, before: str, content: str) -> str:
        """A text whose name stands in an element before it: ``<b>Password</b>: x``."""
        tally = Tally()
        clean = self._rules.value(before + content, tally, self._level + 1, MASK)
        if clean == before + content or not clean.startswith(before):
            return content
        for rule, count in tally.counts.items():
            self._tally.counts[rule] = self._tally.counts.get(rule, 0) + count
        for secret in tally.secrets:
            self._tally.remember(secret)
        return clean[len(before) :]

    def _cleaned(self, content: str, kind: str) -> str:
        if kind == "comment" and "<" in content and self._depth < _MOST_COMMENTS:
            html = self._page is not None
            inside = clean_markup(
                content, self._rules, self._tally, html=html, depth=self._depth + 1, level=self._level
            )
            return MASK if inside is None else inside
        return self._value(content)

    def _value(self, content: str) -> str:
        """A text or an attribute's value; most have nothing in them that could be looked into."""
        if not self._values and NOTATION.search(content) is None:
            return content
        return self._rules.value(content, self._tally, self._level + 1, MASK)

    def _noted(self, token: Token, raw: str, end: int) -> None:
        """``<key>password</key><string>...</string>``, in this order or the other."""
        local = self._path[-1].name.rpartition(":")[2]
        if len(self._path) < 2:
            return
        parent = self._path[-2]
        if local.lower() in _NAMERS:
            parent.nameless = False
            if unescape(raw).strip() in self._rules.names:
                parent.named = True
                for span in parent.values:
                    self._mask(*span)
                parent.values.clear()
        elif local.lower() in _NAMED and end - token.inside <= LONGEST:
            parent.values.append((token.inside, end))

    def _attributes(
        self, attributes: list[Attribute], *, secret: bool = False, all_of_them: bool = False
    ) -> None:
        for each in attributes:
            name = each.name.rpartition(":")[2]
            raw = self._text[each.start : each.end]
            if not raw or each.name.startswith("xmlns"):
                continue
            if all_of_them or name in self._rules.names or (secret and _holds_value(name)):
                if raw.lower() not in ("true", "false"):
                    self._mask(each.start, each.end)
                continue
            content = unescape(raw)
            clean = self._value(content)
            if clean != content:
                self._edits.append((each.start, each.end, escape(clean)))

    def _mask(self, start: int, end: int) -> None:
        raw = self._text[start:end]
        bare = raw.strip()
        if bare in ("", MASK):
            return
        self._tally.add("key", unescape(bare))
        start += len(raw) - len(raw.lstrip())
        self._edits.append((start, start + len(bare), MASK))

    def _edited(self, text: str) -> str:
        pieces, at = [], 0
        for start, end, written in sorted(self._edits, key=lambda each: (each[0], -each[1])):
            if at <= start and end <= len(text):
                pieces += [text[at:start], written]
                at = end
        return "".join([*pieces, text[at:]])


def _holds_value(name: str) -> bool:
    return name.lower().removeprefix("data-") in NAMED
