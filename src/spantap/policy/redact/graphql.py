"""GraphQL documents: the literals under sensitive names of arguments and input fields."""

from __future__ import annotations

import re
from typing import Final

from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, Tally
from spantap.policy.redact.text import clean_text

_DOCUMENT = re.compile(
    r"(?:\s|,|#[^\n]*\n)*"
    r"(?:(?:query|mutation|subscription)\s*\w*\s*(?:\(\s*\$|@|\{)|fragment\s+\w+\s+on\s+\w)"
)
_TOKENS = re.compile(
    r"([\s,]+|#[^\n]*)"
    r'|("""(?:.*?"""|.*)|"[^"\\\n]*(?:\\.[^"\\\n]*)*(?:"|\\?\Z)?)'
    r"|([A-Za-z_]\w*)"
    r"|([{}()\[\]:])"
    r"|\$\w*|[^\s,\"A-Za-z_{}()\[\]:#$]+|.",
    re.DOTALL,
)
_IGNORED: Final = 1
_STRING: Final = 2
_NAME: Final = 3
_MARK: Final = 4
_CLOSING: Final = {"{": "}", "[": "]", "(": ")"}
_PUNCTUATION = re.compile(r"\$\w+|[!@|&]|\.\.\.|-?[0-9][0-9.+-]*")
_HIDDEN: Final = f'"{MASK}"'


def is_graphql(text: str) -> bool:
    """Whether a text begins as a GraphQL document does."""
    return _DOCUMENT.match(text) is not None


def clean_graphql(text: str, rules: Rules, tally: Tally) -> str:
    """A document with everything sensitive masked; the same text when there is nothing."""
    scan = _Scan(text, rules, tally)
    clean = scan.run()
    # If it is something else after all, named values are found in running text.
    return clean if scan.plausible else clean_text(clean, rules, tally)


class _Scan:
    """One pass over one document.

    Attributes:
        plausible: nothing was seen that is no GraphQL.
    """

    def __init__(self, text: str, rules: Rules, tally: Tally) -> None:
        self._text = text
        self._rules = rules
        self._tally = tally
        self._pieces: list[str] = []
        self._name = ""  # the last name
        self._variable = ""  # the piece before, if it was one
        self._declared = ""  # the variable whose type is being told
        self._secret = False  # a value to be masked comes
        self._masked = -1  # where the value that is masked began
        self._depth = 0  # brackets inside it
        self.plausible = True
        self._open: list[str] = []
        self._round = 0  # round brackets around: arguments, not fields

    def run(self) -> str:
        """The text, masked."""
        for match in _TOKENS.finditer(self._text):
            piece, kind = match[0], match.lastindex
            if self._masked >= 0:
                self._inside(piece, kind, match.end())
            elif kind == _IGNORED:
                self._pieces.append(self._cleaned(piece))
            elif self._secret:
                self._value(piece, kind, match.start(), match.end())
            elif kind == _STRING:
                self._pieces.append(self._string(piece))
            else:
                self._other(piece, kind)
        if self._masked >= 0:
            self._hide(len(self._text))
        return "".join(self._pieces)

    def _other(self, piece: str, kind: int | None) -> None:
        self._pieces.append(piece if kind == _MARK else self._cleaned(piece))
        if piece == ":":
            # In round brackets it is an argument or a field of one; elsewhere an alias. What
            # stands behind a variable is its type; a default value follows an equals sign.
            self._declared = self._variable
            self._secret = self._round > 0 and not self._variable and self._name in self._rules.names
        elif piece in _CLOSING:
            self._open.append(_CLOSING[piece])
            self._round += piece == "("
        elif kind == _MARK:
            self.plausible = self.plausible and self._open != [] and self._open.pop() == piece
            self._round -= piece == ")"
        elif piece.endswith("="):
            self._secret = self._declared != "" and self._declared in self._rules.names
            self.plausible = self.plausible and self._round > 0
        elif kind is None and not _PUNCTUATION.fullmatch(piece):
            self.plausible = False
        self._variable = piece[1:] if piece.startswith("$") else ""
        if kind == _NAME:
            self._name = piece

    def _value(self, piece: str, kind: int | None, start: int, end: int) -> None:
        self._secret = False
        if piece.startswith("$") or piece == "null" or (kind == _MARK and piece not in _CLOSING):
            self._other(piece, kind)
            return
        self._masked = start
        if kind == _MARK:
            self._depth = 1
        else:
            self._hide(end)

    def _inside(self, piece: str, kind: int | None, end: int) -> None:
        if kind == _MARK and piece != ":":
            self._depth += 1 if piece in _CLOSING else -1
            if self._depth == 0:
                self._hide(end)

    def _hide(self, end: int) -> None:
        raw = self._text[self._masked : end]
        self._masked = -1
        bare = raw.strip('"')
        if bare in ("", MASK):
            self._pieces.append(raw)
            return
        self._tally.add("key", bare)
        self._pieces.append(_HIDDEN)

    def _string(self, piece: str) -> str:
        quote = '"""' if piece.startswith('"""') else '"'
        inside = piece.removeprefix(quote)
        closed = inside.endswith(quote)
        inside = inside.removesuffix(quote)
        clean = self._cleaned(inside)
        if clean == inside:
            return piece
        if quote == '"' and '"' in clean.replace('\\"', ""):
            clean = clean.replace('\\"', '"').replace('"', '\\"')
        return quote + clean + (quote if closed else "")

    def _cleaned(self, text: str) -> str:
        return text if len(text) < 4 else self._rules.value(text, self._tally, 1, MASK)
