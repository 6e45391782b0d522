"""Strings that hold markup, tables, forms or something like JSON: names stand beside values there, too."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

import pytest

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
M = "[REDACTED]"
C = "cAnArY7391x"

TABLE = [
    (f"<p><name>password</name><value>{C}</value></p>", f"<p><name>password</name><value>{M}</value></p>"),
    (f"see <d><key>pin</key><string>{C}</string></d>", f"see <d><key>pin</key><string>{M}</string></d>"),
    (f'<input type="password" name="x" value="{C}">', f'<input type="password" name="x" value="{M}">'),
    (f"<table><tr><td>PIN</td><td>{C}</td></tr></table>",
     f"<table><tr><td>PIN</td><td>{M}</td></tr></table>"),
    (f"<dl><dt>PIN<dd>{C}</dl>", f"<dl><dt>PIN<dd>{M}</dl>"),
    (f"user,password\nann,{C}\n", f"user,password\nann,{M}\n"),
    (f"user;password\r\nann;{C}\r\n", f"user;password\r\nann;{M}\r\n"),
    (f"user\tpassword\nann\t{C}", f"user\tpassword\nann\t{M}"),
    (f"| user | password |\n|---|---|\n| ann | {C} |", f"| user | password |\n|---|---|\n| ann |{M}|"),
    (f"name=password&value={C}", f"name=password&value={M}"),
    (f"{{'name': 'password', 'value': '{C}',}}", f"{{'name': 'password', 'value': '{M}',}}"),
    (f"[{{'name': 'password', 'value': '{C}'}}]", f"[{{'name': 'password', 'value': '{M}'}}]"),
    (f"- name: DB_PASSWORD\n  value: {C}\n", f'- name: DB_PASSWORD\n  value: "{M}"\n'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), TABLE)
def test_a_string_is_read_by_its_shape(text: str, shown: str) -> None:
    """In JSON, in JSON in JSON, in a form, in a text of XML."""
    body = json.dumps({"a": text})
    for wrapped, wanted in (({"a": text}, {"a": shown}), ({"a": body}, None)):
        clean = REDACTOR.body(json.dumps(wrapped), "application/json", Tally())
        assert clean is not None
        assert C not in clean
        assert wanted is None or json.loads(clean) == wanted
        assert REDACTOR.body(clean, "application/json", Tally()) == clean
    assert REDACTOR.fields([("a", text)], Tally()) == [("a", shown)]
    for xml in (f"<x><a>{escape(text)}</a></x>", f"<x><a><![CDATA[{text}]]></a></x>"):
        clean = REDACTOR.body(xml, "application/xml", Tally())
        assert clean is not None
        assert C not in clean
        assert REDACTOR.body(clean, "application/xml", Tally()) == clean


@pytest.mark.parametrize(
    "text",
    [
        "Use <b>your password</b> & <i>token</i>",
        "Hello, Ann\nyour password was changed, thanks\n",
        "List<Token> of(String it)",
        "<form><label>Password</label><input type=password></form>",
        "name,author\nx,y\npassword,z",
        "[info] a token was sent",
    ],
)
def test_what_holds_no_secret_is_shown(text: str) -> None:
    """A string about passwords is none."""
    body = json.dumps({"a": text})
    assert REDACTOR.body(body, "application/json", Tally()) == body


def test_markup_with_entities_of_its_own_is_masked() -> None:
    """As a body it would be withheld."""
    body = json.dumps({"a": f'<!DOCTYPE a [<!ENTITY p "{C}">]><password>&p;</password>'})
    assert REDACTOR.body(body, "application/json", Tally()) == json.dumps({"a": M})
