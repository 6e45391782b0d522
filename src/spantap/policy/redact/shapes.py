"""Which shape a body has, whatever it claims to be, and what therefore cleans it."""

from __future__ import annotations

import re
from typing import Final

from spantap.policy.redact.beginning import clean_beginning
from spantap.policy.redact.beside import NAMED
from spantap.policy.redact.cut import without_tail
from spantap.policy.redact.events import CleanData, are_events, clean_events
from spantap.policy.redact.form import clean_pairs, looks_sensitive
from spantap.policy.redact.graphql import clean_graphql, is_graphql
from spantap.policy.redact.json import clean_json
from spantap.policy.redact.lines import are_lines, clean_lines
from spantap.policy.redact.loose import clean_loose
from spantap.policy.redact.markup import clean_markup
from spantap.policy.redact.partial import clean_partial
from spantap.policy.redact.plain import clean_plain, holds_secrets
from spantap.policy.redact.ruled import UNLISTED, Ruled
from spantap.policy.redact.rules import DEEPEST, Rules
from spantap.policy.redact.table import clean_table, delimiter_of
from spantap.policy.redact.tally import MASK, Tally
from spantap.policy.redact.url import clean_values
from spantap.policy.redact.yaml import clean_yaml, is_yaml

_MOST_PASSES: Final = 3
_FORM: Final = "application/x-www-form-urlencoded"
_MARKUP_ENDS: Final = ("/xml", "+xml", "/html")
_GRAPHQL: Final = "application/graphql"
_EVENTS: Final = "text/event-stream"
_TABLES: Final = frozenset({"text/csv", "text/tab-separated-values"})
_YAML_ENDS: Final = ("/yaml", "/x-yaml", "+yaml")
# What stands where in a statement or a command, no list of names tells.
_UNREADABLE: Final = frozenset({"application/sql", "application/x-sh"})
# In front of JSON, so that it is no script; and what makes a script of it.
_GUARD = re.compile(
    r"\s*(?:\)\]\}',?|while\s*\(1\);|for\s*\(;;\);|&&&START&&&|(?:/\*\*/)?[\w.$]{1,128}\(\s*(?=[{\[]))\s*"
)
_SELECTION = re.compile(r"\s*\{[\s,]*[A-Za-z_.#]")
_MARKUP = re.compile(r"[\ufeff\s]*<(?:[A-Za-z_!?/])")
_FORM_INSIDE = re.compile(r"[\w.%\[\]+-]{1,256}=[^\s&<>\"']*(?:&[\w.%\[\]+-]{1,256}=[^\s&<>\"']*)+\Z")
# Inside of a text: what is a tag for certain, and what is one of a page.
_TAGS = re.compile(r"</[A-Za-z_]|/>|<!\[CDATA\[|<(?:input|meta)\b", re.IGNORECASE)
_FORM_PART = re.compile(r"content-disposition\s*:\s*form-data", re.IGNORECASE)
_BESIDE = re.compile(rf"[\"'](?:{'|'.join(sorted(NAMED))})\\?[\"']\s*:")
_OPENS = re.compile(r"[\[{](?=\s*[\[{\"'])")
_ANY_TAG = re.compile(r"<[A-Za-z_!?/]")
_OF_PAGES = re.compile(
    r"<(?:!doctype|a|b|body|button|code|dd|div|dl|dt|em|form|h[1-6]|head|html|input|label|li|main|meta|ol|p|pre|script|section|select|span|strong|t[dhr]|table"
    r"|textarea|title|ul)[\s/>]",
    re.IGNORECASE,
)
_PAIRS = re.compile(r"[^\s=&{}<>\"]{1,256}=[^\s&<>\"]*(?:&[^\s&<>\"]*)*\s*\Z")


def clean_body(
    text: str, kind: str, rules: Rules, tally: Tally, *, cut: bool = False, depth: int = 0
) -> str | None:
    """A body's text with everything sensitive masked, or None when it must be withheld.

    Args:
        text: the body, or its beginning.
        kind: its media type, without parameters, in lower case.
        rules: what is sensitive.
        tally: counts what is masked.
        cut: whether it ends too early.
        depth: how deep inside other values we are.
    """
    is_json = kind.endswith(("/json", "+json"))
    if not cut and not is_json and "&" not in text and not looks_sensitive(text, rules):
        return text
    if is_json and "\0" in text:
        return None
    if kind in _UNREADABLE:
        text = without_tail(text) if cut else text
        return None if holds_secrets(text, rules) else text
    if kind == _EVENTS and are_events(text):
        return clean_events(text, _data_cleaner(rules, tally, depth), cut=cut)
    return _by_beginning(text, kind, rules, tally, cut=cut, depth=depth)


def _by_beginning(text: str, kind: str, rules: Rules, tally: Tally, *, cut: bool, depth: int) -> str | None:
    """What a text looks like counts more than what it is called."""
    is_json = kind.endswith(("/json", "+json"))
    guard = _GUARD.match(text)
    before = guard[0] if guard else ""
    begins = text[len(before) :].lstrip("\ufeff\x1e \t\r\n")[:1]
    if (begins in ("{", "[") and not (kind == _GRAPHQL and _SELECTION.match(text))) or (
        begins == '"' and is_json
    ):
        return before + _document(text[len(before) :], rules, tally, cut=cut, depth=depth)
    clean = _by_notation(text, kind, rules, tally, cut=cut)
    is_form = kind == _FORM and not _MARKUP.match(text) and not is_graphql(text)
    if is_form and clean is not None and _names(clean) == _names(text):
        return clean  # each value was cleaned until nothing changed any more
    # What is masked may make something else of what stands around it.
    for _ in range(_MOST_PASSES):
        if clean is None or clean == text:
            break
        text, clean = clean, _by_notation(clean, kind, rules, tally, cut=False)
    return clean


def _names(form: str) -> list[str]:
    return [pair.partition("=")[0] for pair in form.split("&")]


def _by_notation(text: str, kind: str, rules: Rules, tally: Tally, *, cut: bool) -> str | None:
    if kind == _GRAPHQL or is_graphql(text):
        return clean_graphql(without_tail(text) if cut else text, rules, tally)
    sure = kind.endswith(_MARKUP_ENDS)
    # What an app says nothing about, many frameworks call HTML.
    if (sure and _ANY_TAG.search(text)) or _MARKUP.match(text):
        html = kind.endswith("/html") and _OF_PAGES.search(text) is not None
        return clean_markup(text, rules, tally, html=html, sure=sure, cut=cut)
    if kind == _FORM or _PAIRS.match(text):
        return clean_form(text, rules, tally, cut=cut)
    # A number is JSON, too.
    is_json = kind.endswith(("/json", "+json"))
    clean = clean_json(text, rules, tally) if is_json and not cut else None
    return _text(text, kind, rules, tally, cut=cut) if clean is None else clean


def _document(text: str, rules: Rules, tally: Tally, *, cut: bool, depth: int) -> str:
    """JSON, one document or several, well-formed or not."""

    def inner(content: str) -> str:
        if depth < DEEPEST and content.lstrip()[:1] in ("{", "["):
            return clean_body(content, "", rules, tally, cut=True, depth=depth + 1) or ""
        return content

    bare = text.removeprefix("\ufeff")
    clean = clean_partial(bare, rules, tally, inner) if cut else clean_json(bare, rules, tally)
    if clean is None and not cut:
        clean = clean_beginning(bare, rules, tally)
    if clean is None and is_graphql(bare):
        clean = clean_graphql(without_tail(bare) if cut else bare, rules, tally)
    if clean is None and (are_lines(bare) or bare.startswith("\x1e")):
        clean = clean_lines(bare, rules, tally, inner, cut=cut)
    if clean is None:
        clean = clean_loose(without_tail(bare) if cut else bare, rules, tally)
    return text if clean == bare else clean


def clean_inside(text: str, rules: Rules, tally: Tally, depth: int) -> str:
    """A string found inside something else, by its shape: names may stand beside their values in it, too.

    Args:
        text: the string, which is no JSON.
        rules: what is sensitive.
        tally: counts what is masked.
        depth: how deep inside other values we are.
    """
    begins, ends = text.lstrip()[:1], text.rstrip()[-1:]
    if begins == "{" or (begins == "[" and ends == "]"):
        return clean_loose(text, rules, tally, depth)
    if "orm-data" in text and _FORM_PART.search(text):
        tally.add("multipart", text)
        return MASK  # its names and values stand on different lines
    if "&" in text and _FORM_INSIDE.match(text):
        return clean_pairs(text, rules, tally, depth, MASK, "key")
    if "<" in text and _TAGS.search(text):
        pages = (False, True) if _OF_PAGES.search(text) else (False,)
        for html in pages:
            clean = clean_markup(text, rules, tally, html=html, level=depth)
            if clean is None:
                tally.add("entities", text)
                return MASK
            text = clean
    text = _documents_inside(text, rules, tally, depth)
    if "\n" not in text:
        return text
    delimiter = delimiter_of(text, sure=False)
    if delimiter is not None:
        text = clean_table(text, delimiter, rules, tally, any_row=False)
    return clean_yaml(text, rules, tally, depth=depth) if is_yaml(text) else text


def _documents_inside(text: str, rules: Rules, tally: Tally, depth: int) -> str:
    """JSON in the middle of a text, if names may stand beside values in it: of a log, of a script."""
    if _BESIDE.search(text) is None:
        return text
    first = _OPENS.search(text)
    if first is None:
        return text
    start = first.start()
    last = text.rfind("}" if first[0] == "{" else "]") + 1
    if last <= start or text.endswith(MASK, 0, last):
        return text
    return text[:start] + clean_loose(text[start:last], rules, tally, depth) + text[last:]


def _data_cleaner(rules: Rules, tally: Tally, depth: int) -> CleanData:
    def clean(data: str, cut: bool) -> str:
        cleaned = clean_body(data, "", rules, tally, cut=cut, depth=depth)
        return MASK if cleaned is None else cleaned

    return clean


def clean_whole(text: str, kind: str, rules: Rules, tally: Tally, *, cut: bool, ruled: Ruled) -> str | None:
    """What has places in which the user has rules, or its beginning; None when it has none.

    That is JSON, JSON on each line, and events with JSON in them: each line and each event is a document.
    """
    if kind == _EVENTS and are_events(text):
        return _ruled_events(text, rules, tally, cut=cut, ruled=ruled)
    guard = _GUARD.match(text)
    before = guard[0] if guard and not guard[0].rstrip().endswith("(") else ""
    text = text[len(before) :]
    clean = (
        clean_partial(text, rules, tally, str, ruled=ruled)
        if cut
        else clean_json(text, rules, tally, ruled=ruled)
    )
    if clean is None and (are_lines(text) or text.startswith("\x1e")):
        clean = clean_lines(text, rules, tally, str, cut=cut, ruled=ruled)
    return None if clean is None else before + clean


def _ruled_events(text: str, rules: Rules, tally: Tally, *, cut: bool, ruled: Ruled) -> str:
    """Events; what one says that has no places is masked, and so is what is no field of an event."""
    kept = ruled.text_is_kept
    open_data = _data_cleaner(rules, tally, 0)

    def data(said: str, ends_early: bool) -> str:
        if not said.strip():
            return said
        clean = clean_whole(said, "", rules, tally, cut=ends_early, ruled=ruled)
        if clean is not None:
            return clean
        return open_data(said, ends_early) if kept else hidden()

    def other(line: str, ends_early: bool) -> str:
        name = line.partition(":")[0]
        if kept or name in ("event", "retry") or (name == "id" and not ruled.allow):
            return open_data(line, ends_early)
        return hidden() if name else f": {hidden()}"

    def hidden() -> str:
        tally.add(UNLISTED if ruled.allow else "rules")
        return MASK

    return clean_events(text, data, cut=cut, clean_other=other)


def clean_form(text: str, rules: Rules, tally: Tally, *, cut: bool, ruled: Ruled | None = None) -> str:
    """A form with everything sensitive masked, or its beginning.

    Args:
        text: pairs joined by ``&``.
        rules: what is sensitive.
        tally: counts what is masked.
        cut: whether it ends too early.
        ruled: the user's rules.
    """
    if not cut:
        return clean_pairs(text, rules, tally, 0, MASK, "key", ruled=ruled)
    before, _, last = text.rpartition("&")
    name, equals, _ = last.partition("=")
    shown = f"{before}&{name}=" if before and equals else f"{name}=" if equals else before
    # Whether a `code` is an authorization code, what is missing might tell.
    clean = clean_pairs(f"{shown}&state=", rules, tally, 0, MASK, "key", ruled=ruled)
    return clean.rpartition("&state=")[0] if "&state=" in clean else clean


def _text(text: str, kind: str, rules: Rules, tally: Tally, *, cut: bool) -> str:
    if cut:
        text = without_tail(text)
    delimiter = None if kind.endswith(_YAML_ENDS) else delimiter_of(text, sure=kind in _TABLES)
    if delimiter is not None:
        text = clean_table(text, delimiter, rules, tally, any_row=kind in _TABLES)
    if kind.endswith(_YAML_ENDS) or is_yaml(text):
        # Its lines belong together by their indentation, which running text knows nothing of.
        text = clean_yaml(clean_values(text, rules, tally, MASK), rules, tally, cut=cut)
        return "\n".join([clean_plain(line, rules, tally) for line in text.split("\n")])
    return clean_plain(_documents_inside(text, rules, tally, 0), rules, tally)
