"""A secret that comes back in other letters is the same secret."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from spantap.policy.redact import MASK, Redactor, Tally

REDACTOR = Redactor()
PASSWORD = "one<&é'\"two three"


def knowing(secret: str) -> Tally:
    tally = Tally()
    REDACTOR.body(json.dumps({"password": secret}), "application/json", tally)
    return tally


@pytest.mark.parametrize(
    "text",
    [
        html.escape(PASSWORD),
        html.escape(PASSWORD, quote=False),
        html.escape(PASSWORD).replace("&#x27;", "&#39;"),
        quote(PASSWORD),
        quote_plus(PASSWORD),
        json.dumps(PASSWORD)[1:-1],
        json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
    ],
)
def test_in_running_text(text: str) -> None:
    """In a page, and in the text of an exception."""
    assert REDACTOR.echoes(f"<p>{text}</p>", knowing(PASSWORD)) == f"<p>{MASK}</p>"
    assert REDACTOR.text(f"no {text} here", knowing(PASSWORD)) == f"no {MASK} here"


def test_as_python_writes_it() -> None:
    """An exception that quotes the repr of a value."""
    error = str(ValueError(f"not {PASSWORD!r}"))

    assert REDACTOR.text(error, knowing(PASSWORD)) == f"not '{MASK}'"


@pytest.mark.parametrize("value", [PASSWORD, f"/u/{quote(PASSWORD)}", html.escape(PASSWORD)])
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_in_json(value: str, ensure_ascii: bool) -> None:
    """Whatever the writer of the document escapes."""
    echoed = REDACTOR.echoes(json.dumps({"was": value, "n": 1}, ensure_ascii=ensure_ascii), knowing(PASSWORD))

    assert json.loads(echoed)["was"] in (MASK, f"/u/{MASK}")


def test_json_without_an_echo_is_the_same_text() -> None:
    """Also when it was read to see that."""
    text = '{"a": "\\u00e9%20", "b": [1, 2]}'

    assert REDACTOR.echoes(text, knowing(PASSWORD)) is text


def test_cut_in_the_middle() -> None:
    """pydantic quotes the first 25 and the last 24 characters of long values."""
    secret = "".join(f"part{number}-" for number in range(12))
    text = f"[type=int_parsing, input_value={secret[:25] + '...' + secret[-24:]!r}]"

    assert REDACTOR.text(text, knowing(secret)) == f"[type=int_parsing, input_value='{MASK}...{MASK}']"


def test_the_password_of_basic() -> None:
    """What stands behind the name in `Authorization: Basic` is known decoded, too."""
    tally = Tally()
    REDACTOR.header_pairs([("Authorization", "Basic " + base64.b64encode(b"ann:hunter2-x").decode())], tally)

    assert REDACTOR.echoes("ann, hunter2-x: wrong", tally) == f"ann, {MASK}: wrong"


def test_an_oauth_code_in_a_url_in_a_text() -> None:
    """Known by the names beside it; any other code is not."""
    text = "see https://x.test/cb?code=ttwnrzhgwpyx65&state=xyz"

    assert "ttwnrzhgwpyx65" not in REDACTOR.text(text, Tally())
    assert REDACTOR.text("https://x.test/cb?code=ttwnrz", Tally()) == "https://x.test/cb?code=ttwnrz"


def test_a_netrc_file_in_a_text() -> None:
    """Its words stand beside each other, without a mark between name and value."""
    text = "machine x.test login ann password s3cretvalue\n"

    assert REDACTOR.text(text, Tally()) == f"machine x.test login ann password {MASK}\n"
    assert REDACTOR.text("the login page password reset", Tally()) == "the login page password reset"
