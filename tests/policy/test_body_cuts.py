"""Bodies that end too early: by our cap, or because the client or the app stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from spantap.model import Collected
from spantap.policy.body import BodyLimits, clean_body
from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
LEAK = 6  # characters in a row that make a part recognisable

# Known by the name they stand under, and by nothing else.
NAMED = ("cAnArY-7391.vAlUe+q", "zebra quagga okapi", "p$ss(w0rd)!xyzzy")
# Known by what they look like, under any name.
SEEN = {
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "bearer": "Bearer q8Zx7Wv6Ut5Sr4Qp3On2",
    "userinfo": "https://ann:hu$nt,er2xyzzy@db.example.com/x",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
}


def _json(name: str, value: str) -> dict[str, object]:
    return {
        "first": {"id": 17, name: value, "b": [1, "two", {name: value}]},
        "list": [{"name": name, "value": value}, {"value": value, "name": name}],
        "pairs": [["a", "b"], [name, value]],
        "text": json.dumps({"n": 1, name: value}),
        "last": "the end",
    }


def _named(name: str, value: str) -> Iterator[tuple[str, str, str]]:
    """Bodies of every shape with a value at each place where a name says that it is a secret."""
    document = _json(name, value)
    quoted = json.dumps(value)
    yield "json", "application/json", json.dumps(document)
    yield "json, spread", "application/json", json.dumps(document, indent=2)
    yield "json, array", "application/json", json.dumps([document["first"], document["list"]])
    yield "json, other types", "application/json", json.dumps({"a": 1, name: {"x": [value]}, "z": 2})
    yield "json as text", "text/plain", json.dumps(document["first"])
    yield "json without type", "", json.dumps(document["first"])
    yield "json, guarded", "application/json", ")]}',\n" + json.dumps(document["first"])
    yield (
        "json, commented",
        "application/json",
        f'{{"a": 1, // x\n "{name}": {quoted}, /* y */ "z": [1, 2,],}}',
    )
    yield "json, broken", "application/json", f"{{'a': 1, '{name}': '{value}', b: NaN, \"{name}\": {quoted}}}"
    yield "json, twice", "application/json", json.dumps(document["first"]) + json.dumps({"a": 1, name: value})
    yield (
        "ndjson",
        "application/x-ndjson",
        "".join(json.dumps({"n": n, name: value}) + "\n" for n in range(5)),
    )
    yield (
        "json-seq",
        "application/json-seq",
        "".join("\x1e" + json.dumps({"n": n, name: value}) + "\n" for n in range(5)),
    )
    yield (
        "events",
        "text/event-stream",
        "".join(
            f"event: x\nid: {n}\ndata: {json.dumps({'n': n, name: value, 'z': 1})}\n\n" for n in range(4)
        ),
    )
    spread = "".join(f"data: {line}\n" for line in json.dumps({"a": 1, name: value}, indent=1).split("\n"))
    yield "events, spread", "text/event-stream", f": hello\n{spread}\n{spread}\n"
    pair = f"{name}={value.replace(' ', '+').replace('+', '%2B')}"
    yield "form", "application/x-www-form-urlencoded", f"a=1&{pair}&b=two+words&x[{name}]=1&{pair}&z=last"
    yield "form as json", "application/json", f"a=1&{pair}&b=two+words&{pair}&z=last"
    element = f"<{name}>{value}</{name}>"
    yield (
        "xml",
        "application/xml",
        (
            f'<?xml version="1.0"?><r xmlns:n="urn:x"><a k="1">text</a>{element}<!-- note --><n:{name} x="y">'
            f"<v><![CDATA[{value}]]></v></n:{name}><p name='{name}' value='{value}'/><e {name}=\"{value}\"/>"
            f"<d><key>{name}</key><string>{value}</string></d><m><value>{value}</value><name>{name}</name></m></r>"
        ),
    )
    yield "xml as html", "text/html", f"<order><id>17</id>{element}<note>hello there</note></order>"
    yield (
        "html",
        "text/html",
        (
            f"<!DOCTYPE html><html><head><meta name='{name}' content='{value}'><title>x</title></head><body>"
            f"<form action=/go><input type=text name=a value=b><input type='password' value='{value}' name=p>"
            f'<input value="{value}" name="{name}"><textarea name={name}>{value}</textarea></form>'
            f"<table><tr><th>{name}:</th><td>{value}</td></tr></table>"
            f"<b>{name}:</b> {value}<br>bye</body></html>"
        ),
    )
    yield (
        "graphql",
        "application/graphql",
        (
            f"query Q($a: Int, ${name}: String = {quoted}) {{ user(id: 1, {name}: {quoted}) {{ id }} "
            f'b(input: {{x: 1, {name}: [{quoted}], y: """t"""}}) {{ {name}: id }} }}'
        ),
    )
    yield (
        "graphql in json",
        "application/json",
        json.dumps(
            {
                "query": f"mutation {{ login(a: 1, {name}: {quoted}) {{ id }} }}",
                "variables": {name: value, "b": 1},
            }
        ),
    )
    yield (
        "yaml",
        "application/yaml",
        (
            f"a: 1\n{name}: {value}\nb:\n  {name}:\n  - {value}\n  c: d\n"
            f"env:\n- name: {name}\n  value: {value}\nz: 9\n"
        ),
    )
    yield "csv", "text/csv", f'id,{name},note\n1,"{value}",hello\n2,"{value}",bye\n'
    yield "text", "text/plain", f'started with {name}="{value}" and\n{name}: "{value}"\nbye for now'


def _seen(value: str) -> Iterator[tuple[str, str, str]]:
    """Bodies of every shape with a value that gives itself away."""
    quoted = json.dumps(value)
    yield "json", "application/json", json.dumps({"a": f"see {value} there", "b": [value], "c": {"d": value}})
    yield "ndjson", "application/x-ndjson", f'{{"a": {quoted}}}\n{{"b": {quoted}}}\n'
    yield "broken", "application/json", f"{{'a': {quoted}, b: [{quoted},], // {value}\n}}"
    yield "events", "text/event-stream", f"data: {quoted}\n\ndata: see {value} there\n\n"
    yield (
        "xml",
        "application/xml",
        f'<r><a b="{value}">see {value} there</a><![CDATA[{value}]]><!-- {value} --></r>',
    )
    yield "html", "text/html", f"<p title='{value}'>see {value} there<script>x = {quoted}</script></p>"
    yield "text", "text/plain", f"one {value}, two ({value}) and\n{value}\nbye for now"
    yield "yaml", "application/yaml", f"a: {value}\nb:\n- {value}\n"
    yield "csv", "text/csv", f"a,b\n1,{value}\n2,{value}\n"
    yield "graphql", "application/graphql", f"{{ a(b: {quoted}) {{ id }} }}"


def _one_by_one(text: str, secret: str) -> Iterator[str]:
    """The body with the secret at one of its places only, so that no other betrays it."""
    pieces = text.split(secret)
    for place in range(1, len(pieces)):
        yield "d".join(pieces[:place]) + secret + "d".join(pieces[place:])


CAP, CLIENT = "password", "apiKey"
BODIES = [
    (f"{shape}, {value.split()[0]}", value, kind, text, name)
    for name, values in ((CAP, NAMED), (CLIENT, NAMED[1:2]))
    for value in values
    for shape, kind, text in _named(name, value)
] + [
    (f"{shape}, {which}", value, kind, text, by)
    for which, value in SEEN.items()
    for by in ((CAP, CLIENT) if which == "userinfo" else (CAP,))
    for shape, kind, text in _seen(value)
]


def _leaked(shown: str, secret: str) -> str | None:
    """A part of the secret that can be recognised."""
    public = ("Bearer ", "https://", "@db.example.com/x")
    for start in range(len(secret) - LEAK + 1):
        part = secret[start : start + LEAK]
        if part in shown and not any(part in each for each in public):
            return part
    return None


@pytest.mark.parametrize(
    ("secret", "kind", "text", "by"),
    [each[1:] for each in BODIES],
    ids=[f"{each[0]}, {'cap' if each[-1] == CAP else 'client'}" for each in BODIES],
)
def test_no_cut_lets_a_part_of_a_secret_through(secret: str, kind: str, text: str, by: str) -> None:
    """Wherever a body of any shape is cut, by the cap or by the client, nothing of a secret is shown."""
    for body in _one_by_one(text, secret):
        data = body.encode()
        for end in range(len(data) + 1):
            size = len(data) if by == CAP else end
            passed = Collected(data[:end], size, whole=by == CAP or end == len(data))
            done = clean_body(passed, kind, None, BodyLimits(99999, 99999), REDACTOR, Tally())
            shown = done.content or ""
            assert isinstance(shown, str)
            assert _leaked(shown, secret) is None, f"{data[:end].decode()!r}\n -> {shown!r}"
            assert not end or done.truncated or done.withheld or end == len(data)


@pytest.mark.parametrize(("kind", "text"), [each[2:4] for each in BODIES[::11]])
def test_what_is_collected_is_cleaned_before_it_is_cut_to_the_limit(kind: str, text: str) -> None:
    """Whatever the limit, a beginning of what is shown without one is shown."""
    data = text.encode()
    passed = Collected(data, len(data))
    everything = clean_body(passed, kind, None, BodyLimits(99999, 99999), REDACTOR, Tally()).content
    assert isinstance(everything, str)
    for most in range(1, len(data)):
        shown = clean_body(passed, kind, None, BodyLimits(most, most + 4096), REDACTOR, Tally()).content
        assert isinstance(shown, str)
        assert everything.startswith(shown)
