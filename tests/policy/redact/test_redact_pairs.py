"""Forms, queries and URLs."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
CANARY = "cAnArY7391vAlUe"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ("a=1&password=x&b=%20+", "a=1&password=[REDACTED]&b=%20+"),
        ("pass%77ord=x", "pass%77ord=[REDACTED]"),
        ("user%5Bpassword%5D=x&user[pin]=1", "user%5Bpassword%5D=[REDACTED]&user[pin]=[REDACTED]"),
        ("token=a&token=b&token=", "token=[REDACTED]&token=[REDACTED]&token="),
        ("api+key=x", "api+key=[REDACTED]"),
        ("n=4111+1111+1111+1111", "n=[REDACTED]"),
        ("grant_type=authorization_code&code=x&a=b", "grant_type=authorization_code&code=[REDACTED]&a=b"),
        ("code=13&a=b", "code=13&a=b"),
        ("", ""),
        ("a", "a"),
        ("password", "password"),
        ("a==&&b", "a==&&b"),
    ],
)
def test_forms(form: str, wanted: str) -> None:
    """Sensitive fields are masked however they are encoded; all other bytes stay."""
    assert REDACTOR.body(form, FORM, Tally()) == wanted


def test_json_sent_as_a_form_is_json() -> None:
    """What curl -d sends without a content type is read for what it is."""
    assert REDACTOR.body('{"password":"x"}', FORM, Tally()) == '{"password":"[REDACTED]"}'


@pytest.mark.parametrize(
    "key",
    [
        "X-Amz-Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "AWSAccessKeyId",
        "Signature",
        "sig",
        "X-Goog-Signature",
    ],
)
def test_the_signature_keys_of_the_semantic_conventions(key: str) -> None:
    """All seven are replaced by REDACTED, the key kept."""
    assert REDACTOR.query(f"a=1&{key}={CANARY}", Tally()) == f"a=1&{key}=REDACTED"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://u:p@h:1/x", "https://REDACTED:REDACTED@h:1/x"),
        ("https://tok@h/", "https://REDACTED:REDACTED@h/"),
        ("//u:p@h/", "//REDACTED:REDACTED@h/"),
        ("https:\\\\u:p@h/", "https:\\\\REDACTED:REDACTED@h/"),
        ("postgres://u:p/s?s#w@h/db", "postgres://REDACTED:REDACTED@h/db"),
        ("jdbc:postgresql://u:p@h/db", "jdbc:postgresql://REDACTED:REDACTED@h/db"),
        ("https://h:80/@me?x=a@b", "https://h:80/@me?x=a@b"),
        ("/cb#access_token=x&state=1", "/cb#access_token=REDACTED&state=1"),
        ("https://h/#/r?token=x", "https://h/#/r?token=REDACTED"),
        ("/x;jsessionid=abc/y", "/x;jsessionid=REDACTED/y"),
        ("/cb?code=x&state=y", "/cb?code=REDACTED&state=y"),
        ("/pay/4111111111111111", "/pay/REDACTED"),
        ("mailto:a@b.c", "mailto:a@b.c"),
        ("https://[::1]:80/a", "https://[::1]:80/a"),
        ("", ""),
    ],
)
def test_urls(url: str, wanted: str) -> None:
    """User information, query, fragment and path are each cleaned; twice is once."""
    assert REDACTOR.url(url, Tally()) == wanted
    assert REDACTOR.url(wanted, Tally()) == wanted


def test_a_path_is_cleaned_by_value_only() -> None:
    """Path segments have no names."""
    assert REDACTOR.path("/users/12/password", Tally()) == "/users/12/password"
    assert REDACTOR.path("/k/AKIAIOSFODNN7EXAMPLE/x", Tally()) == "/k/REDACTED/x"


@pytest.mark.parametrize("layers", range(1, 9))
def test_a_secret_in_a_url_in_a_query_is_found_however_often_it_is_encoded(layers: int) -> None:
    """Nesting a URL in a parameter hides nothing."""
    inner = f"https://x/cb?access_token={CANARY}"
    for _ in range(layers):
        inner = f"https://x/cb?next={quote(inner, safe='')}"
    assert CANARY not in REDACTOR.url(inner, Tally())
    assert CANARY not in (REDACTOR.body(f"next={quote(inner, safe='')}", FORM, Tally()) or "")


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=5), st.integers(0, 5))
def test_pairs_around_a_secret_are_untouched(pairs: list[tuple[str, str]], place: int) -> None:
    """The canary goes; pairs in which nothing is sensitive keep their encoding."""
    pairs = [
        (name.encode("utf-8", "ignore").decode(), value.encode("utf-8", "ignore").decode())
        for name, value in pairs
    ]
    before = urlencode(pairs)
    alone = REDACTOR.query(before, Tally())
    parts = alone.split("&") if alone else []
    parts.insert(place, f"password={CANARY}")
    done = REDACTOR.query("&".join(parts), Tally())
    assert CANARY not in done
    if alone == before and "code" not in dict(pairs):
        assert [part for part in done.split("&") if not part.startswith("password=R")] == [
            part for part in parts if not part.startswith("password=c")
        ]
    parse_qsl(done)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_survived_as_url_query_and_path(text: str) -> None:
    """No text raises."""
    REDACTOR.url(text, Tally())
    REDACTOR.query(text, Tally())
    REDACTOR.path(text, Tally())


@pytest.mark.parametrize(
    "url", ["//;jsessionid=hunter22", "http://shop.test;jsessionid=hunter22?a=1", "//a:b@c;sid=hunter22"]
)
def test_parameters_right_behind_the_host_are_parameters(url: str) -> None:
    """A session in a URL that has no path is masked, too."""
    assert "hunter22" not in Redactor().url(url, Tally())
