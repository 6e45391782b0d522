"""What stands for a secret in an HTML page: form fields, tables of settings, labelled values."""

from __future__ import annotations

import re
from html import unescape
from typing import Final

from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tags import Token

# Attributes that say what their element holds.
_NAMING: Final = frozenset(
    {"name", "id", "key", "property", "itemprop", "autocomplete", "data-name", "data-key"}
)
_CELLS: Final = frozenset({"td", "dd", "th", "dt"})
_ROWS: Final = frozenset({"tr", "dl", "table", "tbody", "thead", "tfoot"})
# A label and its value may be set in these: <b>Password:</b> hunter2.
_INLINE: Final = frozenset({
    "a", "b", "big", "br", "cite", "code", "em", "font", "i", "kbd", "mark", "pre", "samp", "small", "span",
    "strong", "tt", "u", "var",
})  # fmt: skip
_LABEL = re.compile(r"([\w .'-]{1,64}?)[\"'`]?\s{0,8}(?:=>|[:=\uff1a\uff1d]|\s(?:is|was))\s{0,8}[\"'`]?\Z")
_MARKS: Final = ":=\uff1a\uff1d \t\r\n\"'`"  # around a name
_OPAQUE = re.compile(r"[\w!-/:-@\[-`{-~]{4,128}")  # one word
_LONGEST: Final = 64
_MOST_WORDS: Final = 4
_LONG_WORD: Final = 16
# Where a value is written into, and what is not typed there.
_WRITTEN: Final = frozenset({"input", "textarea", "output"})
_CHOSEN: Final = frozenset({"checkbox", "radio", "submit", "button", "reset", "image"})
_SAYING: Final = frozenset({"aria-label", "placeholder", "title", "data-label"})
_FIELDS: Final = frozenset(
    {"input", "select", "option", "button", "label", "meta", "form", "a", "img", "link"}
)


class Page:
    """Follows the pieces of a page and tells which of them hold a secret."""

    __slots__ = (
        *("_announced", "_awaits", "_cell", "_column", "_columns", "_line", "_named_cell", "_names"),
        *("_row", "_secret_element"),
    )

    def __init__(self, rules: Rules) -> None:
        self._names = rules.names
        self._awaits = False  # a label was said: the next text is its value
        self._announced = False  # the last text was a name and nothing else
        self._line = ""  # the end of what was said on this line
        self._cell = ""  # the kind of table cell we are in
        self._named_cell = False  # the cell before names a secret
        self._row = 0
        self._column = -1
        self._columns: set[int] = set()  # those whose heading names a secret
        self._secret_element = False

    @property
    def idle(self) -> bool:
        """Whether nothing that was read says anything about what follows."""
        return not (
            self._awaits or self._announced or self._named_cell or self._secret_element or self._columns
        )

    def opened(self, token: Token, text: str) -> bool:
        """Note an opening tag; whether it tells, or was told before, that its value is a secret."""
        name = token.name.lower()
        self._moved(name)
        secret, chosen, span = False, False, 1
        for each in token.attributes:
            attribute = each.name.lower()
            value = unescape(text[each.start : each.end]).strip()
            if attribute == "type":
                secret = secret or value.lower() == "password"
                chosen = value.lower() in _CHOSEN
            elif attribute in _NAMING or (attribute in _SAYING and name in _WRITTEN):
                secret = secret or value.rstrip(_MARKS) in self._names
            elif attribute == "colspan" and value.isdecimal():
                span = min(int(value[:4]), 1000)
        if name in _WRITTEN and self._announced and not chosen:
            secret, self._announced = True, False
        self._secret_element = (secret or (token.local in self._names)) and name not in _FIELDS
        if name in _CELLS:
            self._cell = name
            if name == "dt":
                self._named_cell = False
            if name in ("td", "th"):
                self._column += span
        return secret

    def hides(self, token: Token) -> bool:
        """Whether everything inside the element is a secret."""
        name = token.name.lower()
        if self._secret_element and (name == "textarea" or (token.local in self._names and "-" not in name)):
            self._secret_element = False
            return True
        if name in ("td", "dd") and (self._named_cell or (name == "td" and self._column in self._columns)):
            self._named_cell = name == "dd"  # a term may have several descriptions
            self._cell = ""
            self._announced = False
            return True
        return False

    def ends(self, hidden: str, name: str) -> bool:
        """Whether a tag ends a cell that was not closed."""
        return hidden in _CELLS and (name in _CELLS or name in _ROWS)

    def closed(self, token: Token) -> None:
        """Note a closing tag."""
        self._moved(token.name.lower())
        self._secret_element = False
        if token.name.lower() in _CELLS:
            self._cell = ""

    def awaits(self, token: Token, raw: str) -> bool:
        """Whether a text is the secret that a label or an element's name has announced."""
        if token.kind != "text":
            return False
        text = unescape(raw).strip()
        announced = self._secret_element and len(text.split()) == 1 and text.rstrip(":") not in self._names
        announced = announced or self._awaits or (self._announced and self._opaque(text))
        if announced:
            self._line = ""
        self._awaits = self._secret_element = self._announced = False
        return announced

    def _opaque(self, text: str) -> bool:
        """Whether what stands behind a name looks like its value: one word, and none of the language."""
        if _OPAQUE.fullmatch(text) is None:
            return False
        digits = any(each.isdecimal() for each in text)
        long = len(text) >= _LONG_WORD
        if text in self._names and not (digits and long):  # three letters of a long value may be a name
            return False
        return digits or long or not (text.islower() or text.istitle() or text.isupper())

    def before(self, text: str) -> str:
        """What was said on this line before a text, if it may name what the text begins with."""
        return self._line if text.lstrip(" \t\r\n\"'`")[:1] in tuple(":=-\uff1a\uff1d") else ""

    def said(self, text: str) -> None:
        """Note a text that is shown."""
        self._line = f"{self._line}{text}"[-80:]
        text = text.strip()
        name = text.strip(_MARKS)
        named = 0 < len(name) <= _LONGEST and self._names_secret(name)
        if self._cell and named and name in self._names:
            if self._cell == "th" or (self._row <= 1 and self._column > 0):
                self._columns.add(self._column)
            self._named_cell = True
        # A title or a question announces nothing.
        self._announced = named and len(name.split()) <= _MOST_WORDS and not name.endswith((".", "?", "!"))
        label = _LABEL.search(self._line)
        if label is not None:
            self._awaits = self._names_secret(label[1].strip())

    def _names_secret(self, name: str) -> bool:
        return name in self._names or name.rpartition(" ")[2] in self._names

    def _moved(self, name: str) -> None:
        if name not in _INLINE:
            self._awaits = False
            self._line = ""
        if name in _ROWS:
            self._named_cell = False
            self._cell = ""
            self._column = -1
            self._row += name == "tr"
            if name == "table":
                self._row = 0
                self._columns.clear()
