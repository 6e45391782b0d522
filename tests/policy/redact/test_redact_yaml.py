"""YAML: whatever way a value is written in, and wherever its name stands."""

from __future__ import annotations

import json

import pytest

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
YAML = "application/yaml"
H = '"[REDACTED]"'
C = "cAnArY7391x"

TABLE = [
    (f"a: {{password: {C}, b: 1}}\n", f"a: {{password: {H}, b: 1}}\n"),
    (f"- {{name: password, value: {C}}}\n", f"- {{name: password, value: {H}}}\n"),
    (f"a: {{name: password,\n  value: {C}}}\nb: 1\n", f"a: {{name: password,\n  value: {H}}}\nb: 1\n"),
    (f"password: [\na,\n{C}\n]\nb: 1\n", f"password: {H}\nb: 1\n"),
    (f"password: |\n  x\n\n  {C}\nb: 1\n", f"password: {H}\nb: 1\n"),
    (f"password: |2-\n   x\n   {C}\nb: 1\n", f"password: {H}\nb: 1\n"),
    (f"password: > # my own\n  {C}\nb: 1\n", f"password: {H}\nb: 1\n"),
    (f"password: &x !!str |\n  {C}\nb: 1\n", f"password: {H}\nb: 1\n"),
    (f"password: &x\n  a: {C}\nb: 1\n", f"password: {H}\nb: 1\n"),
    (f"password:\n- a\n- {C}\nb: 1\n", f"password:\n{H}\nb: 1\n"),
    (f"password: 'a\n\n{C}'\nb: 1\n", f"password: {H}\nb: 1\n"),
    (f'password: "a\n{C}"\nb: 1\n', f"password: {H}\nb: 1\n"),
    (f"x: &p {C}\nb: 1\npassword: *p\n", f"x: {H}\nb: 1\npassword: {H}\n"),
    (f"- name: password\n  value: |\n    {C}\n- name: a\n  value: b\n",
     f"- name: password\n  value: {H}\n- name: a\n  value: b\n"),
    (f"- name: password\n  value:\n  - {C}\nb: 1\n", f"- name: password\n  value:\n  {H}\nb: 1\n"),
    (f"- value: |\n    {C}\n  name: password\n", f"- value: {H}\n  name: password\n"),
    (f'args: ["--password", "{C}", x]\n', f'args: ["--password", {H}, x]\n'),
    (f"args: [--password, {C}, x]\n", f"args: [--password, {H}, x]\n"),
    (f"args:\n- --password\n- {C}\n- x\n", f"args:\n- --password\n- {H}\n- x\n"),
    (f'args:\n  - "--password"\n  - "{C}"\n  - x\n', f'args:\n  - "--password"\n  - {H}\n  - x\n'),
    (f"? password\n: {C}\nb: 1\n", f"? password\n: {H}\nb: 1\n"),
    (f"- [Authorization, {C}]\n", f"- [Authorization, {H}]\n"),
    (f"- - Authorization\n  - {C}\n- - a\n  - b\n", f"- - Authorization\n  - {H}\n- - a\n  - b\n"),
    (f'"pass\\x77ord": {C}\nb: 1\n', f'"pass\\x77ord": {H}\nb: 1\n'),
    (f"a: 1\n---\npassword: {C}\n", f"a: 1\n---\npassword: {H}\n"),
    (f"data:\n  app.yaml: |\n    password:\n      {C}\n  b: 1\n",
     f"data:\n  app.yaml: |\n    password:\n      {H}\n  b: 1\n"),
    (f"kind: Secret\nstringData:\n  DB_PASSWORD: {C}\n", f"kind: Secret\nstringData:\n  {H}\n"),
    (f"password: 'it is open\n{C}\n", f"password: {H}\n"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), TABLE)
def test_values_go_and_what_stands_around_them_stays(text: str, shown: str) -> None:
    """Also with carriage returns; what is clean is not changed again."""
    assert REDACTOR.body(text, YAML, Tally()) == shown
    assert REDACTOR.body(shown, YAML, Tally()) == shown
    windows = REDACTOR.body(text.replace("\n", "\r\n"), YAML, Tally())
    assert windows is not None
    assert C not in windows


@pytest.mark.parametrize(
    "text",
    [
        "- name: author\n  value: ann\n",
        "args:\n- --verbose\n- x\n",
        "fields: [user, password, email]\n",
        "fields:\n- user\n- password\n- email\n",
        "a: {token_count: 5}\n",
        "x: &p 1\ny: *p\npassword: null\n",
    ],
)
def test_what_names_no_value_is_shown(text: str) -> None:
    """A list of names holds no secret."""
    assert REDACTOR.body(text, YAML, Tally()) == text


def test_a_value_whose_name_may_come_later_is_not_shown() -> None:
    """Of YAML that was cut."""
    shown = REDACTOR.body(f"- value: |\n    {C}\n  x: 1 2", YAML, Tally(), cut=True)
    assert shown is not None
    assert C not in shown


@pytest.mark.parametrize(
    "text", [text for text, _ in TABLE if "name:" in text or "--password" in text or "|" in text]
)
def test_yaml_is_told_by_its_lines(text: str) -> None:
    """Whatever it is called, and in a string of JSON."""
    for kind in ("text/plain", ""):
        shown = REDACTOR.body(text, kind, Tally())
        assert shown is not None
        assert C not in shown
    quoted = REDACTOR.body(json.dumps({"a": text}), "application/json", Tally())
    assert quoted is not None
    assert C not in quoted
