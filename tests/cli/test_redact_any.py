"""`spantap redact` with anything at all: it never fails, and a place never shows a secret."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.planted import BOUNDARY, CORE, forms, headers, json_texts, pairs, texts, urls
from fuzz.raw import SEEDS
from spantap.cli.redact_message import clean
from spantap.policy.redact import Redactor

REDACTOR = Redactor()
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
TYPES = (
    *(None, "", "application/json", "application/x-www-form-urlencoded", "text/html", "application/xml"),
    *("text/csv", "application/x-ndjson", f"multipart/form-data; boundary={BOUNDARY}"),
)


@QUICK
@given(st.binary(max_size=200) | st.lists(st.sampled_from(SEEDS), max_size=3).map(b"\n".join))
def test_any_bytes(data: bytes) -> None:
    """Whatever is read, and whatever it is said to be, there is an answer."""
    for content_type in TYPES:
        clean(data, REDACTOR, content_type)
    clean(b"GET /" + data.replace(b"\n", b"") + b" HTTP/1.1\r\n" + data, REDACTOR, None)


@QUICK
@given(
    (json_texts() | pairs() | texts()).map(str.encode),
    forms(),
    urls().filter(lambda url: " " not in url),
    headers(),
    st.sampled_from(TYPES),
)
def test_no_place_shows_a_secret(
    body: bytes, form: bytes, url: str, lines: list[tuple[str, str]], content_type: str | None
) -> None:
    """Neither as a name nor as a value; and where something was masked, a place says so."""
    for data, kind in ((body, content_type), (form, f"multipart/form-data; boundary={BOUNDARY}")):
        alone = clean(data, REDACTOR, kind)
        assert CORE not in str(alone)
        assert bool(alone.places) == bool(alone.redactions) or alone.withheld
    fields = "".join(f"{name}: {value}\r\n" for name, value in lines)
    message = f"GET {url} HTTP/1.1\r\n{fields}\r\n".encode("latin-1", "replace") + body
    assert CORE not in str(clean(message, REDACTOR, None))
