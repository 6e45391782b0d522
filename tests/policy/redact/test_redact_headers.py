"""Header fields."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
M = "[REDACTED]"

TABLE = [
    ("Authorization", "Bearer abc", f"Bearer {M}"),
    ("Authorization", "basic dXNlcjpw", f"basic {M}"),
    ("Authorization", 'Digest username="u", response="r"', f"Digest {M}"),
    ("Authorization", "hunter2 and more", M),
    ("Authorization", "hunter2", M),
    ("Proxy-Authorization", "Basic abc", f"Basic {M}"),
    ("X-Forwarded-Authorization", "Bearer abc", f"Bearer {M}"),
    ("Cookie", "a=1; b=x=y; c", f"a={M}; b={M}; {M}"),
    (
        "Set-Cookie",
        "sid=abc; Path=/; HttpOnly; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
        f"sid={M}; Path=/; HttpOnly; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
    ),
    ("Set-Cookie", "a=1; Path=/, b=2; Secure", f"a={M}; Path=/, b={M}; Secure"),
    ("Set-Cookie", "a=1; data=2", f"a={M}; data={M}"),
    ("X-Api-Key", "k", M),
    ("X-My-Key", "k", M),
    ("X-CSRFToken", "t", M),
    ("X-Amz-Security-Token", "t", M),
    ("X-Hub-Signature-256", "sha256=abc", M),
    ("Session", "t", M),
    ("Referer", "https://u:p@h/?token=x&a=1", "https://REDACTED:REDACTED@h/?token=REDACTED&a=1"),
    ("Location", "/cb?code=a&state=b", "/cb?code=REDACTED&state=b"),
    ("Link", "<https://h/?token=x>; rel=next", "<https://h/?token=REDACTED>; rel=next"),
    ("X-Identity-Header", "abc", M),
    ("Permissions-Policy", "otp-credentials=()", "otp-credentials=()"),
    ("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600", "21600"),
    ("X-Filter", "token eq 'abc'", f"token eq '{M}'"),
    ("X-Note", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", M),
    ("X-Note", "4111 1111 1111 1111", M),
    ("Sec-WebSocket-Protocol", "bearer, abcdef", M),
    (
        "WWW-Authenticate",
        'Bearer realm="api", error="invalid_token"',
        'Bearer realm="api", error="invalid_token"',
    ),
    ("Access-Control-Allow-Credentials", "true", "true"),
    ("Access-Control-Allow-Headers", "authorization, x-api-key", "authorization, x-api-key"),
    ("Idempotency-Key", "5f0c", "5f0c"),
    ("Sec-WebSocket-Key", "abc==", "abc=="),
    ("X-RateLimit-Remaining-Tokens", "5", "5"),
    ("Vary", "Cookie, Authorization", "Cookie, Authorization"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (X11; Linux x86_64)"),
    ("Content-Disposition", 'form-data; name="password"', 'form-data; name="password"'),
    ("Cookie", "", ""),
]


@pytest.mark.parametrize(("name", "value", "wanted"), TABLE)
def test_one_field(name: str, value: str, wanted: str) -> None:
    """Credentials go, everything a reader needs stays; twice is once."""
    tally = Tally()
    assert REDACTOR.header_pairs([(name, value)], tally) == [(name.lower(), wanted)]
    assert bool(tally.counts) == (value != wanted)
    assert REDACTOR.header_pairs([(name, wanted)], Tally()) == [(name.lower(), wanted)]


def test_order_and_repetition_stay() -> None:
    """Field lines come out one for one, in their order."""
    pairs = [("B", "1"), ("a", "2"), ("B", "3"), ("Authorization", "Bearer xyz")]
    assert [name for name, _ in REDACTOR.header_pairs(iter(pairs), Tally())] == [
        "b",
        "a",
        "b",
        "authorization",
    ]


def test_what_was_masked_is_remembered_for_scrubbing() -> None:
    """Cookie and credential values leave exception texts, too."""
    tally = Tally()
    REDACTOR.header_pairs([("Cookie", "sid=abcdef123"), ("X-Api-Key", "k3y-v4lu3")], tally)
    assert REDACTOR.text("no session abcdef123 for k3y-v4lu3", tally) == f"no session {M} for {M}"


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=12), st.text())))
def test_any_fields_are_survived(pairs: list[tuple[str, str]]) -> None:
    """No field raises and none is lost."""
    assert len(REDACTOR.header_pairs(pairs, Tally())) == len(pairs)


@given(st.text(alphabet=st.characters(exclude_characters=";,= \t"), min_size=3))
def test_no_cookie_value_survives(value: str) -> None:
    """Whatever a cookie holds, it is masked."""
    ((_, done),) = REDACTOR.header_pairs([("cookie", f"theme={value}; x={value}")], Tally())
    assert done == f"theme={M}; x={M}" or not value.strip()


def test_trace_context_is_random_digits() -> None:
    """Ids of traces stay readable, though a card's number may stand in them by chance."""
    by_chance = "00-b4bd213f0673d680766735827222708e-da7081008fee028c-03"
    lines = Redactor().header_pairs(
        [("Traceparent", by_chance), ("traceparent", "00-4111111111111111-x")], Tally()
    )

    assert lines == [("traceparent", by_chance), ("traceparent", "00-[REDACTED]-x")]
