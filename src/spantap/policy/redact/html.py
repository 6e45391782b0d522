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
_LABEL = re.compile(r"([\w .'-]{1,64}?)\s{0,8}(?:[:=]|\s(?:is|was))\s{0,8}\Z")
_FIELDS: Final = frozenset(
    {"input", "select", "option", "button", "label", "meta", "form", "a", "img", "link"}
)


class Page:
    """Follows the pieces of a page and tells which of them hold a secret."""

    __slots__ = ("_awaits", "_cell", "_column", "_columns", "_named_cell", "_names", "_secret_element")

    def __init__(self, rules: Rules) -> None:
        self._names = rules.names
        self._awaits = False  # a label was said: the next text is its value
        self._cell = ""  # the kind of table cell we are in
        self._named_cell = False  # the cell before names a secret
        self._column = -1
        self._columns: set[int] = set()  # those whose heading names a secret
        self._secret_element = False

    @property
    def idle(self) -> bool:
        """Whether nothing that was read says anything about what follows."""
        return not (self._awaits or self._named_cell or self._secret_element or self._columns)

    def opened(self, token: Token, text: str) -> bool:
        """Note an opening tag; whether its attributes say that its value is a secret."""
        name = token.name.lower()
        self._moved(name)
        secret = False
        for each in token.attributes:
            attribute = each.name.lower()
            if attribute in _NAMING or attribute == "type":
                value = unescape(text[each.start : each.end]).strip()
                secret = secret or (
                    value in self._names if attribute != "type" else value.lower() == "password"
                )
        self._secret_element = (secret or (token.local in self._names)) and name not in _FIELDS
        if name in _CELLS:
            self._cell = name
            self._column += name in ("td", "th")
        return secret

    def hides(self, token: Token) -> bool:
        """Whether everything inside the element is a secret."""
        name = token.name.lower()
        if self._secret_element and (name == "textarea" or (token.local in self._names and "-" not in name)):
            self._secret_element = False
            return True
        if name in ("td", "dd") and (self._named_cell or (name == "td" and self._column in self._columns)):
            self._named_cell = False
            self._cell = ""
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
        announced = announced or self._awaits
        self._awaits = self._secret_element = False
        return announced

    def said(self, text: str) -> None:
        """Note a text that is shown."""
        text = text.strip()
        name = text.rstrip(":= ")
        if self._cell and len(name) <= 64 and name in self._names:
            if self._cell == "th":
                self._columns.add(self._column)
            self._named_cell = True
        label = _LABEL.search(text[-80:])
        if label is not None:
            said = label[1].strip()
            self._awaits = said in self._names or said.rpartition(" ")[2] in self._names

    def _moved(self, name: str) -> None:
        if name not in _INLINE:
            self._awaits = False
        if name in _ROWS:
            self._named_cell = False
            self._cell = ""
            self._column = -1
            if name == "table":
                self._columns.clear()
