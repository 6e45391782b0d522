"""A secret planted anywhere, in any spelling, is not seen again; what is clean stays as it is."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fuzz.planted import (
    BOUNDARY,
    CHARSETS,
    CODINGS,
    CORE,
    documents,
    forms,
    headers,
    json_texts,
    pairs,
    planted,
    texts,
    urls,
)
from spantap.model import Body, Collected
from spantap.policy.body import BodyLimits, clean_body
from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
LIMITS = BodyLimits(64 * 1024, 68 * 1024)
FORM = "application/x-www-form-urlencoded"
TEXTUAL = (
    "text/plain",
    "text/html",
    "application/xml",
    "text/csv",
    "application/x-ndjson",
    "application/yaml",
)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def cleaned(data: bytes, media_type: str, coding: str | None = None, *, whole: bool = True) -> Body:
    collected = Collected(data, len(data), None, whole)
    return clean_body(collected, media_type, coding, LIMITS, REDACTOR, Tally())


def check_body(data: bytes, media_type: str, **how: Any) -> str | None:
    """The clean text, in which nothing of the secret is; JSON is not changed any more."""
    body = cleaned(data, media_type, **how)
    assert body.withheld != "redaction-failed"
    assert isinstance(body.content, str | None)
    if body.content is not None:
        assert CORE not in body.content
        if media_type.startswith("application/json"):
            again = cleaned(body.content.encode("utf-8", "surrogatepass"), media_type.partition(";")[0])
            assert again.content == body.content
    return body.content


@QUICK
@given(json_texts(), st.sampled_from(list(CHARSETS)), st.sampled_from(list(CODINGS)))
def test_json(text: str, charset: str, coding: str | None) -> None:
    """JSON of any spelling, charset and coding loses the secret and stays the JSON it was."""
    content = check_body(
        CODINGS[coding](text.encode(charset)), f"application/json{CHARSETS[charset]}", coding=coding
    )
    assert content is not None
    assert type(json.loads(content)) is type(json.loads(text))


@QUICK
@given(json_texts(planted(named=True)), st.floats(0, 1), st.sampled_from(["application/json", *TEXTUAL]))
@example(json.dumps(json.dumps([{"SESSION_COOKIE": f'"!c"){CORE}'}])), 0.9, "application/json")
def test_cut_json(text: str, share: float, media_type: str) -> None:
    """JSON that is cut anywhere, or followed by something, loses it, or is withheld."""
    check_body(text[: int(share * len(text))].encode(), media_type)
    check_body(f"{text}\n{text[: int(share * len(text))]}".encode(), media_type)


@QUICK
@given(json_texts(documents()))
def test_harmless_json(text: str) -> None:
    """Whatever a document says, it comes back as JSON that is not changed any more."""
    content = check_body(text.encode(), "application/json")
    assert content is not None
    json.loads(content)


@QUICK
@given(pairs(), pairs(named=True), st.floats(0, 1))
def test_pairs(text: str, other: str, share: float) -> None:
    """Forms and queries lose it, whole and cut."""
    for written in (text, other[: int(share * len(other))]):
        check_body(written.encode(), FORM)
        assert CORE not in REDACTOR.query(written, Tally())


@QUICK
@given(urls())
def test_urls(url: str) -> None:
    """URLs and references lose it."""
    assert CORE not in REDACTOR.url(url, Tally())


@QUICK
@given(headers())
@example(
    [("Referer", f"https://h/#doc=%22a%3A%3Fb+https%3A%2F%2Fh%2Fp%3Faccess_token%3D{CORE}+e%2C%2Ch+%22")]
)
def test_headers(lines: list[tuple[str, str]]) -> None:
    """No field line shows it; their number and order stay, and clean ones are not changed any more."""
    clean = REDACTOR.header_pairs(lines, Tally())
    assert CORE not in str(clean)
    assert [name for name, _ in clean] == [name.lower() for name, _ in lines]
    assert REDACTOR.header_pairs(clean, Tally()) == clean


@QUICK
@given(texts(), texts(named=True), st.sampled_from(TEXTUAL), st.floats(0, 1))
def test_texts(text: str, other: str, media_type: str, share: float) -> None:
    """Text of any notation loses it, or is withheld, whole and cut."""
    assert CORE not in REDACTOR.text(text, Tally())
    check_body(text.encode(), media_type)
    check_body(other[: int(share * len(other))].encode(), media_type)


@QUICK
@given(forms(), st.sampled_from(list(CODINGS)))
def test_multipart(data: bytes, coding: str | None) -> None:
    """No field of a multipart form shows it."""
    content = check_body(CODINGS[coding](data), f"multipart/form-data; boundary={BOUNDARY}", coding=coding)
    assert content is None or json.loads(content)
