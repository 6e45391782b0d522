"""The tokens of XML and HTML, in one pass, whatever is broken in them. No entity is expanded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

_OPENING = re.compile(r"<!--|<!\[CDATA\[|<\?|<!|</?(?=[A-Za-z_:\u0080-\U0010ffff])")
_NAME = re.compile(r"[^\s/>]+")
_ATTRIBUTE = re.compile(r"[\s/]*([^\s/>][^\s/>=]*)(\s*=\s*)?")
_BARE = re.compile(r"[^\s>]*")
_ENDS: Final = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>"}
_RAW: Final = ("script", "style")


@dataclass(slots=True)
class Attribute:
    """One attribute: its name, and where its value stands, without quotes."""

    name: str
    start: int
    end: int


@dataclass(slots=True)
class Token:
    """A piece of markup.

    Attributes:
        kind: ``text``, ``open``, ``close``, ``comment``, ``cdata``, ``instruction``, ``declaration``.
        start, end: where it stands.
        inside: where its content begins (of comments, CDATA sections and the like).
        name: of an element, as written.
        attributes: of an opening tag.
        empty: it is closed in itself (``<a/>``).
        whole: its end was seen.
    """

    kind: str
    start: int
    end: int
    inside: int = 0
    name: str = ""
    attributes: list[Attribute] = field(default_factory=list)
    empty: bool = False
    whole: bool = True

    @property
    def local(self) -> str:
        """The name without its prefix."""
        return self.name.rpartition(":")[2]


def tokens(text: str, *, html: bool, passed: Callable[[int], int] = int) -> Iterator[Token]:
    """All of a text, piece by piece.

    Args:
        text: the markup.
        html: scripts and styles are text up to their closing tag.
        passed: where to read on, asked in front of each piece.
    """
    at = 0
    missing: set[str] = set()  # what was looked for in vain is not looked for again
    while (at := passed(at)) < len(text):
        opening = _OPENING.search(text, at)
        start = opening.start() if opening else len(text)
        if start > at:
            yield Token("text", at, start, at)
        if opening is None:
            return
        token = _token(text, opening[0], start)
        yield token
        at = token.end
        raw = token.name.lower()
        if html and token.kind == "open" and raw in _RAW and not token.empty:
            end = -1 if raw in missing else _closing(text, raw, at)
            if end < 0:
                missing.add(raw)
                end = len(text)
            yield Token("raw", at, end, at, name=raw)
            at = end


def _token(text: str, opening: str, start: int) -> Token:
    inside = start + len(opening)
    if opening in _ENDS:
        mark = _ENDS[opening]
        end = text.find(mark, inside)
        kind = {"<!--": "comment", "<![CDATA[": "cdata"}.get(opening, "instruction")
        if end < 0:
            return Token(kind, start, len(text), inside, whole=False)
        return Token(kind, start, end + len(mark), inside)
    if opening == "<!":
        end = text.find(">", inside)
        return Token("declaration", start, end + 1 if end >= 0 else len(text), inside, whole=end >= 0)
    name = _NAME.match(text, inside)
    at = name.end() if name else inside
    token = Token("close" if opening == "</" else "open", start, at, inside, name[0] if name else "")
    _read_attributes(text, token)
    return token


def _read_attributes(text: str, token: Token) -> None:
    at = token.end
    while True:
        found = _ATTRIBUTE.match(text, at)
        if found is None:
            break
        at = found.end()
        if found[2] is None:
            token.attributes.append(Attribute(found[1], at, at))
            continue
        quote = text[at : at + 1]
        if quote in ('"', "'"):
            end = text.find(quote, at + 1)
            token.attributes.append(Attribute(found[1], at + 1, end if end >= 0 else len(text)))
            at = end + 1 if end >= 0 else len(text)
        else:
            bare = _BARE.match(text, at)
            end = bare.end() if bare else at
            token.attributes.append(Attribute(found[1], at, end))
            at = end
    end = text.find(">", at)
    token.whole = end >= 0
    token.end = end + 1 if end >= 0 else len(text)
    token.empty = text[token.end - 2 : token.end] == "/>"


def _closing(text: str, name: str, at: int) -> int:
    """Where a script ends."""
    found = re.compile(f"</{name}", re.IGNORECASE).search(text, at)
    return found.start() if found else -1
