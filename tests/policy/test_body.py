"""Collected bytes in, clean body out."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packing import PACKED, brotlied, zstded
from spantap.model import Body, Collected
from spantap.policy.body import BodyLimits, clean_body
from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
JSON = "application/json"


def run(
    data: bytes,
    content_type: str | None = JSON,
    coding: str | None = None,
    *,
    limits: BodyLimits | None = None,
    size: int | None = None,
    missing: str | None = None,
    whole: bool = True,
) -> Body:
    collected = Collected(data, len(data) if size is None else size, missing, whole)
    return clean_body(collected, content_type, coding, limits or BodyLimits(), REDACTOR, Tally())


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("application/json", '{"a":1}'),
        ("application/problem+json; charset=utf-8", '{"a":1}'),
        ("text/plain", "héllo"),
        ("application/xml", "<a/>"),
        ("image/svg+xml", "<svg/>"),
        ("application/yaml", "a: 1"),
        ("application/x-www-form-urlencoded", "a=1"),
        ("application/javascript", "x()"),
        ("application/graphql", "{a}"),
        ("application/x-ndjson", "{}\n{}"),
        ("application/whatever; charset=utf-8", "abc"),
        (None, "abc"),
        ("", "abc"),
    ],
)
def test_text_is_shown(content_type: str | None, text: str) -> None:
    """Textual media types are decoded and shown."""
    data = text.encode()
    assert run(data, content_type) == Body(text, len(data))


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        ("file", {"data": b"", "missing": "file"}),
        ("file", {"data": b"", "size": 9, "missing": "file"}),
        ("unread", {"data": b"x", "missing": "unread"}),
        ("switched-off", {"data": b"{}", "limits": BodyLimits(0, 0)}),
        ("truncated", {"data": b"eyJhbGciOiJ", "size": 99, "content_type": "text/plain"}),
        ("incomplete", {"data": b"12345", "whole": False}),
        ("content-coding", {"data": b"{}", "coding": "compress"}),
        ("corrupt", {"data": b"{}", "coding": "br"}),
        ("corrupt", {"data": b"{}", "coding": "zstd"}),
        ("corrupt", {"data": b"{}", "coding": "gzip"}),
        ("corrupt", {"data": b"{}", "coding": "deflate"}),
        ("corrupt", {"data": gzip.compress(b"{}" * 100)[:-9], "coding": "gzip"}),
        ("corrupt", {"data": zlib.compress(b"{}" * 100)[:-5], "coding": "deflate"}),
        ("corrupt", {"data": zlib.compress(b"{}" * 100) + b"x", "coding": "deflate"}),
        ("corrupt", {"data": brotlied(b"{}" * 100)[:-1], "coding": "br"}),
        ("corrupt", {"data": zstded(b"{}" * 100)[:-1], "coding": "zstd"}),
        ("corrupt", {"data": gzip.compress(brotlied(b"{}")), "coding": "gzip, br"}),
        ("content-coding", {"data": b"{}", "coding": "gzip,gzip,gzip,gzip"}),
        ("multipart", {"data": b"--x", "content_type": "multipart/mixed; boundary=x"}),
        ("malformed", {"data": b"--x", "content_type": "multipart/form-data; boundary=x"}),
        ("charset", {"data": "pin=1".encode("utf-16-le"), "content_type": "text/plain"}),
        ("charset", {"data": "pin=1".encode("utf-16-be"), "content_type": "text/plain; charset=latin-1"}),
        ("binary", {"data": b"x", "content_type": "image/png"}),
        ("binary", {"data": b"x", "content_type": "application/octet-stream"}),
        ("binary", {"data": b"a\0b", "content_type": None}),
        ("binary", {"data": b"\xff\xfa", "content_type": None}),
        ("charset", {"data": b"\xff\xfa", "content_type": "text/plain"}),
        ("charset", {"data": b"x", "content_type": "text/plain; charset=klingon"}),
        ("charset", {"data": b"x", "content_type": "text/plain; charset=zlib"}),
        ("charset", {"data": b"x", "content_type": "text/plain; charset=utf-7"}),
        ("charset", {"data": b"pin: hunter22", "content_type": "text/plain; charset=utf-16le"}),
        ("charset", {"data": "pin=1".encode("utf-16-be"), "content_type": "text/plain; charset=utf-16le"}),
        ("malformed", {"data": b'{"pass\0word": "x"'}),
        ("sensitive", {"data": b'<!DOCTYPE a [<!ENTITY p "x">]><a>&p;</a>', "content_type": "text/xml"}),
        ("sensitive", {"data": b"insert into a (password) values (1)", "content_type": "application/sql"}),
    ],
)  # fmt: skip
def test_why_a_body_is_withheld(reason: str, body: dict[str, object]) -> None:
    """What cannot be cleaned is not shown; the reason and the size are."""
    data = body.pop("data")
    done = run(data, **body)  # type: ignore[arg-type]
    size = body.get("size", len(data))  # type: ignore[arg-type]
    assert done == Body(None, size, False, reason)  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", [None, "unread", "switched-off"])
def test_no_bytes_no_body(missing: str | None) -> None:
    """A message without a body is empty, not withheld."""
    assert run(b"", missing=missing) == Body(None, 0)


@pytest.mark.parametrize(("coding", "pack"), PACKED.values(), ids=PACKED)
def test_content_codings_are_removed(coding: str, pack: Callable[[bytes], bytes]) -> None:
    """The text is redacted and shown decoded; the size is what went over the wire."""
    data = pack(b'{"password":"hunter2"}')
    assert run(data, coding=coding) == Body('{"password":"[REDACTED]"}', len(data))


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        ('{"a":"é","pin":1}'.encode("latin-1"), "application/json; charset=ISO-8859-1"),
        ('{"a":"é","pin":1}'.encode("utf-16"), "application/json; charset=utf-16"),
        ('{"a":"é","pin":1}'.encode("utf-16"), "application/json"),
        ('{"a":"é","pin":1}'.encode("utf-16-be"), 'application/json; charset="utf-16be"'),
        ('{"a":"é","pin":1}'.encode("utf-8-sig"), "application/json"),
        ('{"a":"é","pin":1}'.encode("utf-32"), "application/json"),
        ('{"a":"é","pin":1}'.encode("utf-16-le"), "application/json"),
        ('{"a":"é","pin":1}'.encode("utf-32-be"), "application/problem+json"),
    ],
)
def test_charsets_are_honoured(data: bytes, content_type: str) -> None:
    """Charset parameters and byte order marks decide how the bytes are read."""
    assert run(data, content_type).content == '{"a":"é","pin":"[REDACTED]"}'


def test_the_cut_comes_after_redaction_and_splits_no_character() -> None:
    """A secret at the cut is gone before; the rest is cut on a character boundary and flagged."""
    data = '{"aé":"ééééé","password":"hunter2"}'.encode()
    for most in range(1, len(data) + 20):
        body = run(data, limits=BodyLimits(most, 4096))
        assert isinstance(body.content, str)
        assert "hunter2" not in body.content
        assert len(body.content.encode()) <= most
        assert '{"aé":"ééééé","password":"[REDACTED]"}'.startswith(body.content)
        assert body.truncated == (not body.content.endswith("}"))


class Broken(Redactor):
    __slots__ = ()

    def body(self, text: str, media_type: str, tally: Tally, *, cut: bool = False) -> str | None:
        raise RuntimeError(text)


def test_a_bug_in_redaction_withholds_the_body() -> None:
    """Our failure shows nothing."""
    done = clean_body(Collected(b"{}", 2), JSON, None, BodyLimits(), Broken(), Tally())
    assert done == Body(None, 2, False, "redaction-failed")


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200),
    st.none()
    | st.sampled_from(
        [JSON, "text/html; charset=utf-16", "text/plain;charset=shift_jis", "", "a/b;charset=big5"]
    )
    | st.text(max_size=20),
    st.none() | st.sampled_from(["gzip", "deflate", "br", "zstd"]) | st.text(max_size=8),
)
def test_any_bytes_are_survived(data: bytes, content_type: str | None, coding: str | None) -> None:
    """No body raises, and no size is lost."""
    assert run(data, content_type, coding).size == len(data)
