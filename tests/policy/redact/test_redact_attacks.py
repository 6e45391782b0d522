"""Ways to hide a secret, or to spoil what is none, that were found by attack."""

from __future__ import annotations

import pytest

from spantap.policy.redact import Redactor, Tally
from spantap.policy.redact.user_rules import parse_rules

REDACTOR = Redactor()
SECRET = "hunter2Zq9xK4"
JSON, XML, TEXT = "application/json", "application/xml", "text/plain"


def clean(text: str, kind: str) -> str:
    shown = REDACTOR.body(text, kind, Tally())
    assert shown is not None
    return shown


@pytest.mark.parametrize(
    "text",
    [
        '{"field": "password", "rejectedValue": "%s"}',
        '{"Field": "password", "newValue": "%s"}',
        '{"NAME": "password", "VALUE": "%s"}',
        '{"attribute": "password", "value": "%s"}',
        '{"name": "password", "old_value": "%s"}',
    ],
)
def test_a_value_beside_its_name(text: str) -> None:
    """What names a value, and what holds it, is spelt in several ways."""
    assert SECRET not in clean(text % SECRET, JSON)
    assert SECRET not in clean((text % SECRET).replace("}", ",}"), JSON)


def test_case_of_elements_beside_each_other() -> None:
    """Elements that name and hold a value may be written in capitals."""
    assert SECRET not in clean(f"<p><NAME>password</NAME><VALUE>{SECRET}</VALUE></p>", XML)


def test_words_of_schemas_are_no_secrets() -> None:
    """A document keeps the words of schemas, although they stand under ``password`` in it."""
    tally = Tally()
    text = '{"password": {"type": "string", "in": "header", "x": 1}, "name": {"type": "string"}}'

    clean = REDACTOR.body(text, JSON, tally)

    assert clean is not None
    assert REDACTOR.echoes(clean, tally) == '{"password": "[REDACTED]", "name": {"type": "string"}}'


def test_what_refers_to_a_secret_stays() -> None:
    """References, results of checks and counts are no secrets."""
    text = '{"secretKeyRef":{"name":"db"},"cvc_check":"pass","accepted_prediction_tokens":3}'
    assert clean(text, JSON) == text


def test_a_kept_cookie_does_not_keep_the_next_line() -> None:
    """WSGI servers join two Cookie lines with a comma: the second one is not the kept cookie's."""
    ruled, _ = Redactor(rules=parse_rules("cookie lang keep")).of("/", None)
    tally = Tally()

    ((_, shown),) = ruled.header_pairs([("cookie", f"lang=de, sid={SECRET}")], tally)

    assert shown == "lang=de,[REDACTED]"
    assert f"sid={SECRET}" in tally.secrets


def test_an_authorization_code_beside_the_client() -> None:
    """``code`` is one of OAuth when the client is named, too."""
    text = f"code={SECRET}&client_id=web"
    assert clean(text, "application/x-www-form-urlencoded") == "code=[REDACTED]&client_id=web"


@pytest.mark.parametrize(
    "text",
    [
        "Your verification code is %s.",
        "%s is your verification code",
        "G-%s is your Google verification code",
        "Your new password:\n\n  %s\n\nKeep it safe.",
        "PIN:\r\n%s\r\n",
        'Authorization: Digest username="ann", response="%s"',
    ],
)
def test_messages_that_tell_a_secret(text: str) -> None:
    """Sentences and labels of several words, a value before its name, quoted parts of a header."""
    assert SECRET not in clean(text % SECRET, TEXT)
    assert SECRET not in REDACTOR.text(text % SECRET, Tally())


@pytest.mark.parametrize(
    "text",
    [
        "Password:\n\nForgot it?\n",
        "This is your session",
        "Your verification code is wrong.",
        "Tokens:\n- one",
    ],
)
def test_messages_that_tell_none(text: str) -> None:
    """Words of the language are no secrets."""
    assert clean(text, TEXT) == text


@pytest.mark.parametrize("number", ["490154203237518", "2000000000000000009", "5105105105105"])
def test_numbers_that_no_issuer_gives_out(number: str) -> None:
    """A device's number, an id of 19 digits: right by Luhn, but no card begins like that."""
    assert clean(f'{{"id":{number}}}', JSON) == f'{{"id":{number}}}'


def test_a_table_in_markdown() -> None:
    """Its columns have headings, although it begins with a line; the line below them stays."""
    text = f"| user | password |\n|------|:---------|\n| ann | {SECRET} |\n"
    assert clean(text, TEXT) == "| user | password |\n|------|:---------|\n| ann |[REDACTED]|\n"


@pytest.mark.parametrize(
    "text", ["<p>Your new password is <code>%s</code></p>", "<p>The PIN was: <b>%s</b></p>"]
)
def test_a_sentence_in_a_page(text: str) -> None:
    """The value a sentence ends with may be set in an element of its own."""
    assert SECRET not in clean(text % SECRET, "text/html")


def test_variables_of_sensitive_arguments() -> None:
    """A GraphQL variable is named by the argument it stands for, whatever it is called itself."""
    query = "mutation ($p: String!, $u: String!) { login(user: $u, password: $p) { id } }"
    text = f'{{"query":"{query}","variables":{{"p":"{SECRET}","u":"ann"}}}}'
    assert clean(text, JSON) == text.replace(SECRET, "[REDACTED]")


@pytest.mark.parametrize("text", ['doc={"password":+"%s"}', "password=$'%s'", 'password = @"%s";'])
def test_a_mark_before_a_quoted_value(text: str) -> None:
    """The value is what is quoted, not the mark alone."""
    assert SECRET not in clean(text % SECRET, TEXT)
