"""Names and values that stand apart from each other, and names nobody writes plainly."""

from __future__ import annotations

import json

import pytest

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
M = "[REDACTED]"
C = "cAnArY7391x"
EVENTS = "text/event-stream"
FORM = "application/x-www-form-urlencoded"


def clean(text: str, kind: str) -> str:
    shown = REDACTOR.body(text, kind, Tally())
    assert shown is not None
    assert REDACTOR.body(shown, kind, Tally()) == shown
    return shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f'data: {{"password":\n: keep\ndata: "{C}"}}\n\n',
            f'data: {{"password":\ndata: "{M}"}}\n: keep\n\n',
        ),
        (f'data: {{"password":\nid: 7\ndata: "{C}"}}\n\n', f'data: {{"password":\ndata: "{M}"}}\nid: 7\n\n'),
        (f'\ufeffdata: {{"pin":\ndata: "{C}"}}\n\n', f'\ufeffdata: {{"pin":\ndata: "{M}"}}\n\n'),
        (
            f'data: {{"pin":\r: x\rdata: "{C}"}}\r\rdata: 1\r\r',
            f'data: {{"pin":\rdata: "{M}"}}\r: x\r\rdata: 1\r\r',
        ),
        (f'data: {{"n":"pin",\ndata\ndata: "v":"{C}"}}\n\n', f'data: {{"n":"pin","v":"{M}"}}\n\n'),
        (f'data: {{"pin":\nevent: x\ndata: "{C}"}}', f'data: {{"pin":\ndata: "{M}"}}\nevent: x\n'),
        (f'{{\n "pin":\n "{C}"\n}}', f'{{\n "pin":\n "{M}"\n}}'),
        (f'event: x\n{{\n "pin":\n "{C}"\n}}\n\n', f'event: x\n{{\n "pin":\n "{M}"\n}}\n\n'),
        ("data: a\n: b\ndata: c\n\n", "data: a\n: b\ndata: c\n\n"),
    ],
)
def test_the_data_of_an_event_belong_together(text: str, shown: str) -> None:
    """Whatever stands between its lines; and what is called a stream and is none is read as what it is."""
    assert clean(text, EVENTS).rstrip("\n") == shown.rstrip("\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"name=password&value={C}", f"name=password&value={M}"),
        (f"f[0][name]=pin&f[0][value]={C}&f[1][name]=a&f[1][value]=b",
         f"f[0][name]=pin&f[0][value]={M}&f[1][name]=a&f[1][value]=b"),
        (f"form-0-key=token&form-0-value={C}", f"form-0-key=token&form-0-value={M}"),
        (f"%2570assword={C}", f"%2570assword={M}"),
        (f"%252570assword={C}", f"%252570assword={M}"),
        ("name=author&value=ann", "name=author&value=ann"),
    ],
)  # fmt: skip
def test_fields_of_a_form_name_each_other(text: str, shown: str) -> None:
    """As members of JSON do, by whatever they have in common; encoded names are names."""
    assert clean(text, FORM) == shown
    query = REDACTOR.query(text, Tally())
    assert query == shown.replace(M, "REDACTED")
    pairs = [("name", "password"), ("value", C)]
    assert REDACTOR.fields(pairs, Tally()) == [("name", "password"), ("value", M)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"密码\uff1a{C}", f"密码\uff1a{M}"),
        (f"パスワード \uff1a {C}", f"パスワード \uff1a {M}"),
        (f"password\uff1d{C}, a\uff1db", f"password\uff1d{M}, a\uff1db"),
        (f"您的密码是{C}。", f"您的密码是{M}。"),
        (f"パスワードは{C}です", f"パスワードは{M}です"),
        (f"Password - {C}", f"Password - {M}"),
        (f"Your PIN — {C}", f"Your PIN — {M}"),
        (f"contrasen\u0303a: {C}", f"contrasen\u0303a: {M}"),
        (f"Lo\u0308senord: {C}", f"Lo\u0308senord: {M}"),
        ("密码是必填项", "密码是必填项"),
        ("パスワードは8文字以上です", "パスワードは8文字以上です"),
        ("password - required", "password - required"),
        ("名前\uff1a太郎", "名前\uff1a太郎"),
    ],
)  # fmt: skip
def test_marks_and_names_of_other_scripts(text: str, shown: str) -> None:
    """A full-width colon is a colon, and what is no word of the language is a value."""
    assert clean(text, "text/plain") == shown
    assert json.loads(clean(json.dumps({"a": text}), "application/json")) == {"a": shown}
    assert json.loads(clean(json.dumps({"a": text}, ensure_ascii=False), "application/json")) == {"a": shown}


@pytest.mark.parametrize("name", ["contrasen\u0303a", "api_\u212aey", "\U0001d429\U0001d422\U0001d427"])
def test_letters_that_stand_for_others(name: str) -> None:
    """A name is what its letters mean, also where the text has nothing else to see."""
    assert json.loads(clean(json.dumps({name: C}, ensure_ascii=False), "application/json")) == {name: M}


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("text/plain", f"see /cb?state=x&code={C}", "see /cb?state=x&code=REDACTED"),
        ("text/plain", f"[go](/cb?code={C}&state=x)", "[go](/cb?code=REDACTED&state=x)"),
        ("text/html", f'<a href="/?state=x&amp;code={C}">x</a>',
         '<a href="/?state=x&amp;code=REDACTED">x</a>'),
        ("application/json", f'{{"a":"/cb?state=x&code={C}"}}', '{"a":"/cb?state=x&code=REDACTED"}'),
        ("application/json", f'{{"a":"\\/cb?state=x\\u0026code={C}"}}', '{"a":"/cb?state=x&code=REDACTED"}'),
        ("application/javascript", f'go("/cb#state=x&code={C}")', 'go("/cb#state=x&code=REDACTED")'),
        ("text/plain", "see /shop?state=x&barcode=123", "see /shop?state=x&barcode=123"),
        ("text/plain", "see /shop?page=2&code=123", "see /shop?page=2&code=123"),
    ],
)  # fmt: skip
def test_a_link_needs_no_host(kind: str, text: str, shown: str) -> None:
    """OAuth's code is one in a relative link, too."""
    assert clean(text, kind) == shown


def test_a_link_in_a_header_needs_no_host() -> None:
    """The same in header values."""
    pairs = [("link", f"</cb?state=x&code={C}>; rel=next")]
    assert REDACTOR.header_pairs(pairs, Tally()) == [("link", "</cb?state=x&code=REDACTED>; rel=next")]


def test_userinfo_in_a_path_may_be_encoded() -> None:
    """A path that holds a URL, as proxies have it."""
    path = f"/proxy/https%3A%2F%2Fann:{C}%40h/x"
    assert REDACTOR.path(path, Tally()) == "/proxy/https%3A%2F%2FREDACTED:REDACTED%40h/x"


def test_a_code_beside_a_scope_is_one_of_oauth() -> None:
    """Google sends no state unless it was given one."""
    assert REDACTOR.query(f"code={C}&scope=openid", Tally()) == "code=REDACTED&scope=openid"
