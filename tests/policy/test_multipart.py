"""Forms with files: fields and what files are called, never what is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packing import PACKED, field, file, form
from spantap.capture.recorder import BodyRecorder
from spantap.model import Body
from spantap.policy.body import BodyLimits, clean_body
from spantap.policy.redact import Redactor, Tally

TYPE = "multipart/form-data; boundary=xYz"
REDACTOR = Redactor()
CAP = 20 * 1024
SECRET = b"hunter2hunter2"
MASK = "[REDACTED]"
CARD = b"4111111111111111"


def record(data: bytes, *, content_type: str = TYPE, coding: str | None = None, step: int = 65536) -> Body:
    recorder = BodyRecorder(CAP)
    for start in range(0, len(data), step):
        recorder.chunk(data[start : start + step])
    recorder.whole = True
    return clean_body(recorder.collected(), content_type, coding, BodyLimits(), REDACTOR, Tally())


def told(data: bytes, **how: Any) -> Any:
    body = record(data, **how)
    assert body.size == len(data)
    assert isinstance(body.content, str), body
    return json.loads(body.content)


PLAIN = form(
    field("title", "Katzen & Hünde".encode()),
    field("empty", b""),
    field("note", "é".encode("latin-1"), "Content-Type: text/plain; charset=iso-8859-1"),
    file("photo", "cat.png", b"\x89PNG\r\n--xY\r\n\0" * 3),
)
SHOWN: list[dict[str, Any]] = [
    {"name": "title", "value": "Katzen & Hünde"},
    {"name": "empty", "value": ""},
    {"name": "note", "value": "é"},
    {"name": "photo", "filename": "cat.png", "content_type": "image/png", "size": 39},
]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 50, 10_000])
def test_fields_and_files_are_told(step: int) -> None:
    """Fields with their values, files with name, type and size, however the bytes arrive."""
    assert told(PLAIN, step=step) == SHOWN


@pytest.mark.parametrize("step", [1, 13, 4096, 70_000, 10_000_000])
@pytest.mark.parametrize("size", [CAP - 700, CAP, 300_000])
def test_files_of_any_size_are_told(step: int, size: int) -> None:
    """An upload beyond the cap shows its fields, those behind the file too, and its true size."""
    data = form(field("a", b"1"), file("big", "b.bin", b"x" * size), field("z", b"26"))

    assert told(data, step=max(step, size // 3000)) == [
        {"name": "a", "value": "1"},
        {"name": "big", "filename": "b.bin", "content_type": "image/png", "size": size},
        {"name": "z", "value": "26"},
    ]


def test_an_upload_costs_no_memory() -> None:
    """What is held of a form beyond the cap is less than the cap, whatever passes."""
    recorder = BodyRecorder(CAP)
    recorder.chunk(form(field("a", b"1"), file("big", "b", b""))[:-9])
    for _ in range(100):
        recorder.chunk(b"x" * 100_000)
        held = recorder._form
        assert held is None or len(held._rest) < 100
    assert recorder._chunks == []


@pytest.mark.parametrize("packed", ["gzip", "br", "zstd"])
def test_a_packed_form_is_told(packed: str) -> None:
    """Within the cap a form may be packed."""
    coding, pack = PACKED[packed]
    body = record(pack(PLAIN), coding=coding)

    assert isinstance(body.content, str)
    assert json.loads(body.content) == SHOWN


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (field("password", SECRET), {"name": "password", "value": MASK}),
        (field("user[passWord]", SECRET), {"name": "user[passWord]", "value": MASK}),
        (field("pass%77ord", SECRET), {"name": "pass%77ord", "value": MASK}),
        (field("paid with", CARD), {"name": "paid with", "value": MASK}),
        (field("json", b'{"pin":"%s"}' % SECRET), {"name": "json", "value": '{"pin":"[REDACTED]"}'}),
        (
            field("json", '{"pin":"hunter2hunter2"}'.encode("utf-16"), "Content-Type: application/json"),
            {"name": "json", "value": '{"pin":"[REDACTED]"}'},
        ),
        (field(f"card {CARD.decode()}", b"1"), {"name": "card [REDACTED]", "value": "1"}),
        (
            file("f", f"{CARD.decode()}.png", SECRET),
            {"name": "f", "filename": "[REDACTED].png", "content_type": "image/png", "size": 14},
        ),
        (
            file("secret", SECRET.decode(), SECRET),
            {"name": "secret", "filename": MASK, "content_type": "image/png", "size": 14},
        ),
        (
            field("note", "pin=hunter2hunter2".encode("utf-16-le")),
            {"name": "note", "size": 36, "withheld": "charset"},
        ),
        (field("note", b"\xff\xfe\xfd"), {"name": "note", "size": 3, "withheld": "charset"}),
        (
            field("note", b"aHVudGVyMg==", "Content-Transfer-Encoding: base64"),
            {"name": "note", "size": 12, "withheld": "unclear"},
        ),
        (('Content-Disposition: form-data; name="a"; name="password"', SECRET), {"withheld": "unclear"}),
        (('Content-Disposition: form-data; name="pass\\word"', SECRET), {"withheld": "unclear"}),
        (("Content-Disposition: form-data; name*=UTF-8''password", SECRET), {"withheld": "unclear"}),
        (
            ('Content-Disposition: form-data;\n name="password"', SECRET),
            {"withheld": "unclear"},
        ),
        (
            ('Content-Disposition: form-data; name="a"\nContent-Disposition: form-data; name="pin"', SECRET),
            {"withheld": "unclear"},
        ),
        (("Content-Type: text/plain", SECRET), {"withheld": "unclear"}),
    ],
)
@pytest.mark.parametrize("filler", [b"", b"x" * 50_000], ids=["within the cap", "beyond it"])
def test_no_secret_passes(part: tuple[str, bytes], shown: dict[str, Any], filler: bytes) -> None:
    """Fields are masked by name and by value; what might be read in two ways is not shown."""
    body = record(form(part, file("fill", "f", filler)))

    assert isinstance(body.content, str)
    told = json.loads(body.content)[0]
    if shown == {"withheld": "unclear"}:
        assert told.pop("size") >= len(SECRET)
    assert told == shown
    assert SECRET.decode() not in body.content
    assert CARD.decode() not in body.content


def test_a_part_that_says_nothing_is_only_counted() -> None:
    """No header lines, no name, no value."""
    assert told(b"--xYz\r\n\r\n" + SECRET + b"\r\n--xYz--") == [{"size": 14, "withheld": "unclear"}]


def test_a_code_beside_a_grant_type_is_one() -> None:
    """As in other forms."""
    assert told(form(field("grant_type", b"x"), field("code", b"abc123")))[1]["value"] == MASK


@pytest.mark.parametrize(
    ("reason", "data", "how"),
    [
        ("malformed", PLAIN, {"content_type": "multipart/form-data"}),
        ("malformed", PLAIN, {"content_type": "multipart/form-data; boundary=other"}),
        ("malformed", PLAIN.replace(b"--xYz\r\n", b"--xYzz\r\n", 2), {}),
        ("malformed", form(field("a", b"--xYz\nContent-Disposition: form-data; name=pin\n\n" + SECRET)), {}),
        ("malformed", form(("X: " + "x" * 9000, b"")), {}),
        ("malformed", form(file("a", "b", b"x" * 50_000), boundary="other"), {}),
    ],
)
def test_why_a_form_is_withheld(reason: str, data: bytes, how: dict[str, Any]) -> None:
    """What cannot be taken apart for certain, or has more fields than are kept, is not shown."""
    assert record(data, **how) == Body(None, len(data), False, reason)


INCOMPLETE: dict[str, Any] = {"withheld": "incomplete"}


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (PLAIN[:-4], [*SHOWN[:3], {**SHOWN[3], **INCOMPLETE}]),
        (form(field("a", b"1"), field("a", b"x" * 50_000)), [SHOWN_A := {"name": "a", "value": "1"}, 0]),
        (form(*[field("a", b"1")] * 1000), [SHOWN_A] * 150),
        (b"a preamble\r\n" + form(field("a", b"1"), file("f", "b", b"x" * 50_000)), [SHOWN_A, 0]),
        (form(field("a", b"1"), file("f", "b", b"x" * 50_000))[:-6], [SHOWN_A, 0]),
        (form(field("a", b"1"), field("password", SECRET))[:-20], [SHOWN_A, 0]),
    ],
)
def test_of_a_form_that_was_cut_the_parts_that_passed_are_told(data: bytes, shown: list[Any]) -> None:
    """Too many fields, too long ones, or no end: what is whole is shown, and that there was more."""
    body = record(data)

    assert body.truncated
    assert isinstance(body.content, str)
    told = json.loads(body.content)
    for part, wanted in zip(told, shown, strict=False):
        if wanted == 0:
            assert part["withheld"] == "incomplete"
            assert "value" not in part
        else:
            assert part == {**wanted, **({"size": part["size"]} if wanted.get("withheld") else {})}
    assert len(told) >= len(shown)


def test_a_text_that_looks_like_a_form_is_none() -> None:
    """What the message says it is decides; its names would not be seen in it."""
    data = form(field("a", b"x" * 30_000))

    assert record(data, content_type="text/plain").withheld == "truncated"
    assert record(PLAIN.replace(b"\0", b""), content_type="text/plain; charset=latin-1").content
    secret = form(field("password", SECRET))
    assert record(secret, content_type="text/plain").withheld == "multipart"
    assert record(secret, content_type="application/json").withheld == "multipart"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([b"--xYz", b"\r\n", b"--", b"\n", PLAIN[:60], b"; name=pin", b"a", SECRET])),
    st.integers(1, 40),
)
def test_any_bytes_are_survived(pieces: list[bytes], step: int) -> None:
    """However broken: nothing is raised, and the same is told in one piece and in many."""
    data = b"".join(pieces)
    body = record(data)

    assert body == record(data, step=step)
    assert body.size == len(data)
