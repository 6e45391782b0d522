"""What holds for any bytes at all: targets for the fuzzer, each a function that raises when it does not.

A target takes the bytes a fuzzer makes up. They need no fuzzer: `test_redact_raw` calls them too.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote_plus

import orjson

from spantap.capture.multipart import FormReader
from spantap.model import Body, Collected
from spantap.policy.body import BodyLimits, clean_body
from spantap.policy.redact import MASK, URL_MASK, Redactor, Tally

REDACTOR: Final = Redactor(keys=("internal code",), keep_keys=("session_id",))
LIMITS: Final = BodyLimits(64 * 1024, 68 * 1024)
FORM: Final = "application/x-www-form-urlencoded"
TEXTUAL: Final = (
    "text/plain", "text/html", "application/xml", "text/csv", "application/x-ndjson", "application/yaml",
    "application/javascript", "application/graphql", "text/event-stream", "",
)  # fmt: skip
CHARSETS: Final = ("", "; charset=latin-1", "; charset=utf-16", "; charset=shift_jis", "; charset=utf-32")
CODINGS: Final = ("gzip", "deflate", "br", "zstd", "gzip, deflate", "identity")
BOUNDARY: Final = b"xYz"
SLOWEST: Final = 20e-6  # seconds a byte; what is linear takes a twentieth of it, what is not a hundred times
LONGEST: Final = 1 << 20


def body(data: bytes, content_type: str, coding: str | None = None) -> Body:
    """A whole body, cleaned; fails when a bug of ours was caught on the way."""
    cleaned = clean_body(Collected(data, len(data)), content_type, coding, LIMITS, REDACTOR, Tally())
    assert cleaned.withheld != "redaction-failed", (data, content_type)
    return cleaned


def json_body(data: bytes) -> None:
    """What is shown of JSON is JSON, and has nothing under a sensitive name."""
    shown = body(data, "application/json").content
    if not isinstance(shown, str) or not _is_json(data):
        return
    _assert_masked(json.loads(shown))


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except ValueError:
        return False
    return True


def _assert_masked(document: Any) -> None:
    inside = [document]
    while inside:
        each = inside.pop()
        if isinstance(each, dict):
            for name, value in each.items():
                # No first look sees a name that is taken apart inside of its words: {"pa~s~s": ...}.
                named = REDACTOR.names_secret(name) and REDACTOR.suspects(name) and MASK not in name
                assert not named or value in (None, "", MASK) or value == [] or value == {}, name
                inside.append(value)
        elif isinstance(each, list):
            inside.extend(each)


def form_body(data: bytes) -> None:
    """A form has as many pairs as before, and nothing under a sensitive name; a query likewise."""
    shown = body(data, FORM).content
    if isinstance(shown, str) and shown.lstrip()[:1] not in ("{", "["):
        _assert_pairs_masked(shown)
    written = data.decode("latin-1")
    query = REDACTOR.query(written, Tally())
    assert query.count("&") >= written.count("&")
    _assert_pairs_masked(query)


def _assert_pairs_masked(text: str) -> None:
    for name, equals, value in (pair.partition("=") for pair in text.split("&")):
        plain = unquote_plus(name)
        if equals and plain.isidentifier() and REDACTOR.names_secret(plain) and REDACTOR.suspects(plain):
            # What the client has sent may be made of our own marks.
            left = unquote_plus(value).replace(MASK, "").replace(URL_MASK, "").strip("=")
            assert not left, name


def text_body(data: bytes) -> None:
    """Other text is read or withheld."""
    for media_type in TEXTUAL:
        body(data, media_type)


def text(data: bytes) -> None:
    """A message is cleaned whatever it is; the pieces of URLs in it, too."""
    written = data.decode("utf-8", "surrogateescape")
    REDACTOR.text(written, Tally())
    REDACTOR.echoes(written, _remembering(written[:20].strip()))
    REDACTOR.scrubbed(written, _remembering(written[-20:].strip()))


def _remembering(secret: str) -> Tally:
    tally = Tally()
    tally.add("key", secret)
    return tally


def url(data: bytes) -> None:
    """A URL, or a path, is cleaned whatever it is."""
    for spelt in (data.decode("latin-1"), data.decode("utf-8", "replace")):
        REDACTOR.url(spelt, Tally())
        REDACTOR.path(spelt, Tally())


def headers(data: bytes) -> None:
    """Every field line stays, in its place, and no cookie shows a value."""
    lines = [line.partition(":") for line in data.decode("latin-1").split("\n")]
    pairs = [(name, value) for name, _, value in lines]
    clean = REDACTOR.header_pairs(pairs, Tally())
    assert [name for name, _ in clean] == [name.strip().lower() for name, _ in pairs]
    for name, value in clean:
        if name == "cookie":
            assert all(each.partition("=")[2] in ("", MASK, URL_MASK) for each in value.split(";"))


def multipart(data: bytes) -> None:
    """A form has the same parts however its bytes arrive, and is shown as JSON."""
    whole, pieces = FormReader(BOUNDARY, 1 << 16), FormReader(BOUNDARY, 1 << 16)
    whole.feed(data)
    step = data[0] % 7 + 1 if data else 1
    for start in range(0, len(data), step):
        pieces.feed(data[start : start + step])
    assert (whole.ended, whole.failed, whole.parts) == (pieces.ended, pieces.failed, pieces.parts)
    shown = body(data, "multipart/form-data; boundary=xYz").content
    if shown:
        for part in json.loads(shown):
            if REDACTOR.names_secret(part.get("name", "")):
                assert part.get("value", MASK) in ("", MASK)


def codings(data: bytes) -> None:
    """Packed, half-packed and wrongly named bytes are read or withheld."""
    for coding in CODINGS:
        body(data, "application/json", coding)
    for charset in CHARSETS:
        body(data, f"text/plain{charset}")
    broken = bytearray(zlib.compress(data))
    broken[len(data) % len(broken)] ^= 1
    body(bytes(broken), "application/json", "deflate")


def linear(data: bytes) -> None:
    """A megabyte of anything repeated takes time by its length, not by its square."""
    first, _, rest = data[:200].decode("latin-1").partition("\n")
    unit, _, last = rest.partition("\n")
    if not unit:
        return
    for name, clean in _CLEANERS.items():
        length = 1 << 14
        while length <= LONGEST:  # what is slow is seen before it takes hours
            text = first + unit * (length // len(unit)) + last + "password=x"
            start = time.thread_time()
            clean(text)
            took = time.thread_time() - start
            assert took < 0.2 + len(text) * SLOWEST, f"{name}: {took:.1f} s for {len(text)} characters"
            if took < 0.2:
                length *= 8
            else:
                length *= 2


_CLEANERS: Final[dict[str, Callable[[str], Any]]] = {
    "text": lambda text: REDACTOR.text(text, Tally()),
    "url": lambda text: REDACTOR.url(text, Tally()),
    "query": lambda text: REDACTOR.query(text, Tally()),
    "json": lambda text: REDACTOR.body(text, "application/json", Tally()),
    "html": lambda text: REDACTOR.body(text, "text/html", Tally()),
    "csv": lambda text: REDACTOR.body(text, "text/csv", Tally()),
    "header": lambda text: REDACTOR.header_pairs([("x-note", text), ("set-cookie", text)], Tally()),
}

TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    each.__name__: each
    for each in (json_body, form_body, text_body, text, url, headers, multipart, codings, linear)
}
SEEDS: Final = (
    b'{"user":{"password":"hunter22","n":[1,"4111 1111 1111 1111",{"name":"token","value":"x"}]}}',
    b'{"pass\\u0077ord":"a","loc":["body","pin"],"input":"1234","x":"{\\"token\\":\\"abc\\"}"}',
    b"user=ada&pass%77ord=hunter22&next=%2Fa%3Ftoken%3Dabc&code=1&state=2",
    b"https://u:pw@host/a;jsessionid=1?token=abc#access_token=x",
    b"authorization: Bearer abcdefgh12\ncookie: a=b; c=d\nset-cookie: sid=1; Path=/\nreferer: /x?token=1",
    b"password: hunter22\n<token>abc</token>\n--api-key abc ('secret', 'x') export PIN=1234",
    b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc AKIAABCDEFGHIJKLMNOP GB29NWBK60161331926819",
    b'--xYz\r\nContent-Disposition: form-data; name="pin"\r\n\r\n1234\r\n--xYz--\r\n',
    b"token=\n\"'a\n",
    b'a\n{"\\u0070":\nx',
    b'"password":"abc',
    zlib.compress(b'{"pin":1234}'),
)
