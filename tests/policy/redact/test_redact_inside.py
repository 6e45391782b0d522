"""Strings that hold markup, tables, forms or something like JSON: names stand beside values there, too."""

from __future__ import annotations

import base64
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


WRAPPED = base64.b64encode(json.dumps({"name": "password", "value": C}).encode()).decode()
FORM_PART = f'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{C}\r\n--x--'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"data": WRAPPED, "id": 7}, {"data": M, "id": 7}),
        ({"data": WRAPPED.rstrip("=").replace("+", "-")}, {"data": M}),
        ({"cursor": base64.b64encode(b'{"id": 7, "page": 2}').decode()}, None),
        ({"body": FORM_PART}, {"body": M}),
        (
            {"kind": "Secret", "data": {"foo": C}, "stringData": {"x": C}},
            {"kind": "Secret", "data": M, "stringData": M},
        ),
        (
            {
                "keys": [
                    {"kty": "RSA", "n": "abc", "e": "AQAB", "d": C, "p": C},
                    {"kty": "oct", "k": C, "kid": "1"},
                ]
            },
            {
                "keys": [
                    {"kty": "RSA", "n": "abc", "e": "AQAB", "d": M, "p": M},
                    {"kty": "oct", "k": M, "kid": "1"},
                ]
            },
        ),
        (
            {"columns": ["user", "password"], "rows": [["ann", C], ["bob", C]]},
            {"columns": ["user", "password"], "rows": [["ann", M], ["bob", M]]},
        ),
        (
            {"columns": [{"name": "user"}, {"name": "pin"}], "rows": [["ann", C]]},
            {"columns": [{"name": "user"}, {"name": "pin"}], "rows": [["ann", M]]},
        ),
        (
            {"fields": ["user", "pin"], "values": ["ann", C]},
            {"fields": ["user", "pin"], "values": ["ann", M]},
        ),
        ({"values": [["a", "pin", "b"], [1, C, 2]]}, {"values": [["a", "pin", "b"], [1, M, 2]]}),
        ([["user", "password"], ["ann", C]], [["user", "password"], ["ann", M]]),
        ([["pin", "1234"], ["a", "b"]], [["pin", M], ["a", "b"]]),
        ({"fields": ["user", "password"], "values": [1, 2, 3]}, None),
        (
            {"path": ["login", "password"], "value": C, "a": 1},
            {"path": ["login", "password"], "value": M, "a": 1},
        ),
        ({"path": ["password"], "received": C}, {"path": ["password"], "received": M}),
        (
            {"fields": [{"title": "API key", "value": C, "short": True}]},
            {"fields": [{"title": "API key", "value": M, "short": True}]},
        ),
        ({"title": "Your password was changed", "text": "Hello"}, None),
        (
            {"Parameters": [{"ParameterKey": "DBPassword", "ParameterValue": C}]},
            {"Parameters": [{"ParameterKey": "DBPassword", "ParameterValue": M}]},
        ),
        (
            {"message": f'Variable "$password" got invalid value "{C}"; too short'},
            {"message": f'Variable "$password" got invalid value "{M}"; too short'},
        ),
        (
            {"message": f'2026-11-21 INFO got [{{"name": "pin", "value": "{C}"}}] done'},
            {"message": f'2026-11-21 INFO got [{{"name": "pin", "value": "{M}"}}] done'},
        ),
    ],
)
def test_shapes_that_apps_send(before: object, after: object) -> None:
    """Base64, Kubernetes, keys, tables, validators, chat messages, CloudFormation, GraphQL."""
    clean = REDACTOR.body(json.dumps(before), "application/json", Tally())
    assert clean is not None
    assert json.loads(clean) == (before if after is None else after)
    assert REDACTOR.body(clean, "application/json", Tally()) == clean


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("text/csv", f"key,value\npassword,{C}\nauthor,ann\n", f"key,value\npassword,{M}\nauthor,ann\n"),
        ("text/plain", f"name;value\npin;{C}\na;b\n", f"name;value\npin;{M}\na;b\n"),
        (
            "application/javascript",
            f'var x = {{"name": "pin", "value": "{C}"}};',
            f'var x = {{"name": "pin", "value": "{M}"}};',
        ),
        (
            "text/html",
            f'<script>x = [{{"name": "pin", "value": "{C}"}}];</script>',
            f'<script>x = [{{"name": "pin", "value": "{M}"}}];</script>',
        ),
        (
            "text/plain",
            f"INFO [{{'name': 'pin', 'value': '{C}'}}]",
            f"INFO [{{'name': 'pin', 'value': '{M}'}}]",
        ),
        (
            "application/xml",
            f"<a><ParameterKey>pin</ParameterKey><ParameterValue>{C}</ParameterValue></a>",
            f"<a><ParameterKey>pin</ParameterKey><ParameterValue>{M}</ParameterValue></a>",
        ),
        (
            "application/yaml",
            f"kind: Secret\ndata:\n  a: {C}\nx: 1\n",
            f'kind: Secret\ndata:\n  "{M}"\nx: 1\n',
        ),
        ("application/yaml", f"data:\n  a: {C}\nkind: Secret\n", f'data:\n  "{M}"\nkind: Secret\n'),
    ],
)
def test_shapes_that_are_no_json(kind: str, text: str, shown: str) -> None:
    """Tables of names and values, JSON in scripts and log lines, answers of AWS, manifests."""
    assert REDACTOR.body(text, kind, Tally()) == shown
    assert REDACTOR.body(shown, kind, Tally()) == shown
