"""Documents of every shape with a secret planted in them, for Hypothesis and for the fuzzer.

A secret stands under a sensitive name, or gives itself away. Whatever is around it, and however it is
spelt, `CORE` is a part of it and must not be seen again.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from packing import field, form
from spantap.policy.redact.families import ANYWHERE, WORDS

CORE: Final = "cAnArY7391x"
BOUNDARY: Final = "xYz"
_JSON_PART: Final = "Content-Type: application/json"

_ENTRIES: Final = [entry for entry in (*ANYWHERE, *WORDS) if entry.isascii() and entry[0].isalpha()]
_SPELLINGS: Final[tuple[Callable[[str], str], ...]] = (
    lambda entry: entry.replace("-", ""),
    lambda entry: entry.replace("-", "_"),
    lambda entry: entry.replace("-", "_").upper(),
    lambda entry: entry,
    lambda entry: "".join(part.capitalize() for part in entry.split("-")),
    lambda entry: "x_" + entry.replace("-", "_"),
    lambda entry: "my" + "".join(part.capitalize() for part in entry.split("-")),
)

_TOKEN: Final = re.compile(rf"\\u[0-9a-fA-F]{{4}}|\\.|{CORE}|.", re.DOTALL)

text: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
plain: Final = st.text("abcdefgh XYZ.,:;!?'\"()-_/", max_size=30)
numbers: Final = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
leaves: Final = st.none() | st.booleans() | numbers | text | plain
names: Final = st.builds(
    lambda entry, spelling: spelling(entry), st.sampled_from(_ENTRIES), st.sampled_from(_SPELLINGS)
)
# Given away by their shape alone.
evident: Final = st.sampled_from([
    f"eyJhbGciOi{CORE}.{CORE}.{CORE}",
    f"ghp_{CORE}{CORE}",
    f"sk_live_{CORE}",
    f"npm_{CORE}{CORE}{CORE}",
    f"pypi-{CORE}{CORE}",
    f"sk-ant-{CORE}{CORE}",
    f"xoxb-{CORE}",
    f"https://user:{CORE}@host/path",
    f"https://host/path?access_token={CORE}",
    f"Bearer {CORE}{CORE}",
])  # fmt: skip
# Only to stand under a name.
opaque: Final = st.builds(lambda before, after: before + CORE + after, plain, plain)


@st.composite
def documents(draw: DrawFn, values: SearchStrategy[Any] = leaves) -> Any:
    """Anything JSON can say, harmless by itself."""
    return draw(
        st.recursive(
            values,
            lambda inside: st.lists(inside, max_size=4) | st.dictionaries(text | plain, inside, max_size=4),
            max_leaves=8,
        )
    )


@st.composite
def planted(draw: DrawFn, *, named: bool = False) -> Any:
    """A document with the secret in it; when `named`, under a name."""
    if named or draw(st.booleans()):
        secret = draw(opaque)
        held = draw(st.sampled_from([secret, [secret], {"a": secret}, [1, {"b": [secret]}]]))
        document: Any = {**draw(st.dictionaries(text, leaves, max_size=2)), draw(names): held}
    else:
        document = f"{draw(plain)} {draw(evident)} {draw(plain)}" if draw(st.booleans()) else draw(evident)
    for _ in range(draw(st.integers(0, 5))):
        document = _wrapped(draw, document)
    return document


def _wrapped(draw: DrawFn, document: Any) -> Any:
    how = draw(st.integers(0, 3))
    if how == 0:
        return [*draw(st.lists(documents(), max_size=2)), document, *draw(st.lists(leaves, max_size=2))]
    if how == 1:
        return {**draw(st.dictionaries(text, documents(), max_size=2)), draw(plain) + "~": document}
    if how == 2:
        return [document]
    return json.dumps(document)  # JSON as a string in JSON


@st.composite
def json_texts(draw: DrawFn, contents: SearchStrategy[Any] | None = None) -> str:
    """A planted document in any spelling of JSON."""
    document = draw(planted() if contents is None else contents)
    written = json.dumps(
        document,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 0, 2, "\t"])),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", " : ")])),
    )
    if draw(st.booleans()):
        written = _escaped(written, draw(st.integers(1, 5)))
    return draw(st.sampled_from(["", " ", "\r\n\t"])) + written + draw(st.sampled_from(["", "\n", "  "]))


def _escaped(written: str, step: int) -> str:
    """Every so many letters written as \\uXXXX, outside of `CORE`, which is looked for as it stands."""
    done, inside = [], False
    for at, token in enumerate(_TOKEN.findall(written)):
        if token == '"':
            inside = not inside
        elif inside and token.isascii() and token.isalpha() and len(token) == 1 and at % step == 0:
            token = f"\\u{ord(token):04X}"
        done.append(token)
    return "".join(done)


CHARSETS: Final = {
    "utf-8": "",
    "utf-8-sig": "",
    "utf-16": "",
    "utf-16-le": "; charset=utf-16le",
    "utf-16-be": "; charset=UTF-16BE",
    "utf-32": "; charset=utf-32",
}
CODINGS: Final[dict[str | None, Callable[[bytes], bytes]]] = {
    None: bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


@st.composite
def pairs(draw: DrawFn, *, named: bool = False) -> str:
    """Pairs as in a form, a query or a fragment; names and values percent-encoded here and there."""
    neighbours = st.builds(lambda name, value: f"{quote_plus(name)}={quote_plus(value)}", plain | text, text)
    under_a_name = st.builds(lambda name, value: f"{_percent(draw, name)}={quote_plus(value)}", names, opaque)
    secret = draw(
        under_a_name
        if named
        else under_a_name
        | st.builds(lambda value: f"q={quote_plus(value)}", evident)
        | st.builds(lambda value: f"doc={quote_plus(value)}", st.builds(json.dumps, planted()))
        | st.builds(lambda value: f"next={quote('/a?b=1&token=' + quote_plus(value), safe='')}", opaque)
    )
    before, after = draw(st.lists(neighbours, max_size=3)), draw(st.lists(neighbours, max_size=3))
    return "&".join([*before, secret, *after])


def _percent(draw: DrawFn, name: str) -> str:
    at = draw(st.integers(0, len(name)))
    encoded = (
        quote_plus(name[:at]) + f"%{ord(name[at]):02x}" + quote_plus(name[at + 1 :]) if name[at:] else name
    )
    return encoded if draw(st.booleans()) else quote_plus(name)


@st.composite
def urls(draw: DrawFn) -> str:
    """A URL or a reference with a secret in its user, query, fragment or path."""
    start = draw(st.sampled_from(["", "https://host", "http://host:8080", "//host", "HTTPS://h.example"]))
    path = "/" + quote(draw(plain))
    found = draw(st.integers(0, 3))
    if found == 0:
        return f"https://user:{CORE}@host{path}"
    if found == 1:
        return f"{start}{path};jsessionid={CORE}"
    return f"{start}{path}{'?' if found == 2 else '#'}{draw(pairs())}"


_LINE = st.text("abcdefgh XYZ.,:;!?()-_/=[]{}<>'\"", max_size=40)


@st.composite
def texts(draw: DrawFn, *, named: bool = False) -> str:
    """Log lines, config files, markup and scripts with a secret in one of their lines."""
    name, secret = draw(names), draw(st.sampled_from([CORE, f"{CORE}+/=", f"a.{CORE}"]))
    notation = draw(
        st.sampled_from([
            "{n}={v}", "{n}: {v}", '"{n}": "{v}"', "'{n}': '{v}'", '{n}="{v}"', "<{n}>{v}</{n}>",
            "--{n} {v}", "--{n}={v}", "export {n}={v}", "({n!r}, {v!r})", '<a {n}="{v}"/>', "{n} = {v}",
            "{n} := {v}", "{n} => '{v}'", '<add key="{n}" value="{v}"/>', "{n}:\n  {v}",
        ])
    )  # fmt: skip
    name = name.replace(" ", "_")
    if notation.startswith("<{n}") and not name[0].isalpha():
        name = "password"
    line = notation.format(n=name, v=secret)
    if not named and draw(st.integers(0, 3)) == 0:
        line = draw(evident)
    return "\n".join([*draw(st.lists(_LINE, max_size=3)), line, *draw(st.lists(_LINE, max_size=3))])


def _one_line(text: str) -> str:
    return text.strip().replace("\r", " ").replace("\n", " ")


@st.composite
def headers(draw: DrawFn) -> list[tuple[str, str]]:
    """Field lines, one of which has a secret."""
    others = st.tuples(st.text("abcdefXYZ-", min_size=1, max_size=12).map(lambda each: f"z{each}"), plain)
    line = draw(
        st.sampled_from([
            ("Authorization", f"Bearer {CORE}"), ("authorization", f"Basic {CORE}=="),
            ("PROXY-AUTHORIZATION", f"Digest username=\"a\", response=\"{CORE}\""),
            ("Cookie", f"a=1; sid={CORE}; b={CORE}"), ("Set-Cookie", f"sid={CORE}; Path=/; HttpOnly"),
            ("X-Api-Key", CORE), ("x-auth-token", CORE), ("X_CSRF_TOKEN", CORE),
            ("X-Amz-Security-Token", CORE), ("sec-websocket-protocol", f"token, {CORE}"),
        ])
        | st.builds(lambda entry, value: (f"x-{entry}".upper(), value), st.sampled_from(_ENTRIES), opaque)
        | st.builds(lambda name, url: (name, url), st.sampled_from(["Referer", "Location"]), urls())
        | st.builds(lambda value: ("x-note", value), evident)
        | st.builds(lambda value: ("x-data", value), json_texts().map(_one_line))
    )  # fmt: skip
    return [*draw(st.lists(others, max_size=3)), line, *draw(st.lists(others, max_size=3))]


@st.composite
def forms(draw: DrawFn) -> bytes:
    """A multipart form, one of whose fields or file names has a secret."""
    quiet = st.builds(
        lambda name, value: field(name, value.encode()), st.text("abcdefgh", min_size=1, max_size=8), text
    )
    secret = draw(
        st.builds(lambda name, value: field(name, value.encode()), names, opaque)
        | st.builds(lambda value: field("note", value.encode()), evident)
        | st.builds(
            lambda value: field("doc", value.encode(), "Content-Type: application/json"), json_texts()
        )
    )
    return form(
        *draw(st.lists(quiet, max_size=3)), secret, *draw(st.lists(quiet, max_size=3)), boundary=BOUNDARY
    )
