"""Shapes in which names and values stand apart, many in each message."""

from __future__ import annotations

import base64
import json
from typing import Final

from leaks.cases_of_peers import JSON
from leaks.planting import Asked, Plant, answering, case, post

_STRINGS: Final = {
    "XML": "<param><name>password</name><value>{}</value></param>",
    "HTML": "<table><tr><td>Password</td><td>{}</td></tr></table>",
    "CSV": "user,password\nann,{}\n",
    "Markdown table": "| user | password |\n|---|---|\n| ann | {} |\n",
    "YAML": "- name: DB_PASSWORD\n  value: {}\n",
    "form": "name=password&value={}",
    "repr": "got [{{'name': 'password', 'value': '{}'}}] from x",
    "multipart": '--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{}\r\n--x--',
    "link": "/cb?state=x&code={}",
    "Chinese": "密码\uff1a{}",
    "French": "Votre mot de passe est {}",
    "words": "Invalid access token A7{}",
    "fence": "Your password:\n```\n{}\n```\n",
    "GraphQL error": 'Variable "$password" got invalid value "{}"; too short',
    "PostgreSQL": "DETAIL:  Failing row contains (1, ann, {}).",
    "SQLAlchemy": "[SQL: INSERT INTO t (a, password) VALUES (?, ?)]\n[parameters: ('ann', '{}')]",
    "pydantic": "1 error for A\npassword\n  too short [type=x, input_value='{}', input_type=str]",
    "PHP": 'a:1:{{s:8:"password";s:18:"{}";}}',
}
_YAML: Final = """
flow: {{name: password, value: {flow}}}
args: [--password, {argument}]
list:
- --password
- {item}
- name: password
  value: |
    {block}
anchor: &a {anchor}
password: *a
? secret
: {answer}
token: "one
{quoted}"
"""
_PAGE: Final = """<!doctype html><p><b>Password</b>: {bold}</p><div>API key</div><div>{beside}</div>
<dl><dt>PIN</dt><dd>x</dd><dd>{second}</dd></dl><label for=x>API key</label><input id=x value="{label}">
<pre><span class="k">"password"</span><span>:</span> <span class="s">"{highlighted}"</span></pre>
<table><tr><td>User</td><td>PIN</td></tr><tr><td>ann</td><td>{column}</td></tr></table>
<a href="/cb?state=x&amp;code={link}">on</a><script>x = [{{"name": "pin", "value": "{script}"}}]</script>
"""


@case
def shapes_in_strings(plant: Plant) -> Asked:
    body = {name: text.format(plant.secret(f"string: {name}")) for name, text in _STRINGS.items()}
    return post(json.dumps(body), JSON)


@case
def shapes_of_json(plant: Plant) -> Asked:
    inside = json.dumps({"password": plant.secret("JSON: base64")})
    body = {
        "message": {"data": base64.b64encode(inside.encode()).decode()},
        "kind": "Secret",
        "stringData": {"a": plant.secret("JSON: Kubernetes")},
        "keys": [{"kty": "oct", "k": plant.secret("JSON: web key")}],
        "columns": ["user", "password"],
        "rows": [["ann", plant.secret("JSON: column")]],
        "sheet": [["a", "password", "b"], [1, plant.secret("JSON: heading"), 2]],
        "issues": [{"path": ["password"], "received": plant.secret("JSON: path")}],
        "fields": [{"title": "API key", "value": plant.secret("JSON: title")}],
        "Parameters": [{"ParameterKey": "DbPassword", "ParameterValue": plant.secret("JSON: AWS")}],
        "schema": {"password": {"type": "string", "default": plant.secret("JSON: default in a schema")}},
    }
    return post(json.dumps(body), JSON)


@case
def shapes_of_yaml(plant: Plant) -> Asked:
    names = ("flow", "argument", "item", "block", "anchor", "answer", "quoted")
    return post(_YAML.format(**{name: plant.secret(f"YAML: {name}") for name in names}), "application/yaml")


@case
def shapes_of_pages(plant: Plant) -> Asked:
    names = ("bold", "beside", "second", "label", "highlighted", "column", "link", "script")
    return answering(_PAGE.format(**{name: plant.secret(f"page: {name}") for name in names}), "text/html")


@case
def shapes_of_events(plant: Plant) -> Asked:
    text = 'data: {{"password":\n: keep\ndata: "{}"}}\n\n'.format(plant.secret("events: with a comment"))
    return answering(text, "text/event-stream")
