"""Secrets told in words, by people, databases and validators."""

from __future__ import annotations

import json

import pytest

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
M = "[REDACTED]"
C = "cAnArY7391x"

TOLD = [
    "Login with user ann and password {}",
    "invalid access token {}",
    "Your temporary password has been set to {}.",
    "We have reset your password to {}.",
    "Ihr Passwort lautet {}",
    "Votre mot de passe est {}",
    "Su contraseña es {}",
    "Sua senha é {}",
    "La tua password è {}",
    "Ваш пароль {}",
    "password | {}",
    "password \u2192 {}",
    "Password (temporary): {}",
    "**Password**: {}",
    "*API key*: `{}`",
    "Your password:\n```\n{}\n```\n",
    "Password\n\n    {}\n",
    "# Password\n{}\n",
    "Your code is {}",
    "Your Acme code: {}",
    "{} is your Acme code.",
    'DETAIL: Key (token)=({}) already exists.'.replace("({})", "{}"),
    "DETAIL:  Failing row contains {}",
    "Invalid header value b'{}'",
    "Illegal header value b'{}'",
    "reserved character(s), or return character(s) in header value: '{}'",
    "Header part {} must be of type str or bytes, not <class 'tuple'>",
    "No connection adapters were found for '{}@host.example/x'",
    "INSERT INTO users (name, password) VALUES {}",
    "x [SQL: INSERT INTO users (name, password) VALUES (?, ?)]\n[parameters: {}]",
    "1 error for Login\nuser.password\n  too short [type=x, input_value={}, input_type=str]",
    'array(1) {\n  ["password"]=>\n  string(11) "{}"\n}',
    'a:1:{s:8:"password";s:11:"{}";}',
    "[password] => {}",
]  # fmt: skip
GIVEN = {
    "Failing row": f"(1, ann, {C})",
    "Header part": f"(('{C}',)) from ('X-Api-Key', ('{C}',))",
    "INSERT": f"('ann', '{C}'), ('bob', '{C}')",
    "Key (": f"({C})",
}


@pytest.mark.parametrize("told", TOLD)
def test_what_a_sentence_tells_goes(told: str) -> None:
    """As a text and in a string; the words around it stay, and what is clean is not changed again."""
    value = next((each for start, each in GIVEN.items() if start in told), C)
    text = told.replace("{}", value)
    clean = REDACTOR.text(text, Tally())
    assert clean.replace(f"{M}, {M}", M) == told.replace("{}", M)
    assert REDACTOR.text(clean, Tally()) == clean
    body = REDACTOR.body(json.dumps({"a": text}), "application/json", Tally())
    assert body is not None
    assert C not in body


@pytest.mark.parametrize(
    "text",
    [
        "AssertionError: expected 200 got 500",
        "InvalidTokenError: Signature verification failed",
        "Reset your password to continue",
        "The session is open (a): b",
        "Enter a password (min 8 characters)",
        "INSERT INTO users (name, password) VALUES (?, ?)",
        "INSERT INTO users (name, author) VALUES ('ann', 'bob')",
        "Your zip code is on the label",
        "the error code is 12345",
        "password documentation 2026-11-21",
        "password documentation2",
        "Sessions\nMonday2\n".replace("2", ""),
    ],
)
def test_what_tells_nothing_stays(text: str) -> None:
    """Messages about passwords, placeholders, dates and words."""
    assert REDACTOR.text(text, Tally()) == text


@pytest.mark.parametrize(
    "name",
    [
        *("passord", "adgangskode", "salasana", "jelszó", "heslo", "şifre", "mật khẩu", "kata sandi"),
        *("סיסמה", "كلمة المرور", "رمز عبور", "पासवर्ड", "รหัสผ่าน", "κωδικός πρόσβασης", "暗証番号"),
    ],
)
def test_passwords_have_names_in_many_languages(name: str) -> None:
    """As members and as labels, with capital letters, too."""
    for each in (name, name.capitalize()):
        assert C not in REDACTOR.text(f"{each}: {C}", Tally())
        body = REDACTOR.body(json.dumps({each: C}), "application/json", Tally())
        assert body is not None
        assert C not in body
