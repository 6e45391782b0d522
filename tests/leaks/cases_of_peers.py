"""The 28 secrets and 13 useful shapes that other capture tools were measured with, as defaults treat them."""

from __future__ import annotations

import gzip
import json
from typing import Final

from leaks.planting import Asked, Plant, Reply, case, get, post

JSON: Final = "application/json"
BOUNDARY: Final = "----boundary7MA4YWxk"


@case
def query(plant: Plant) -> Asked:
    secrets = f"token={plant.secret('query: token')}&sig={plant.secret('query: sig')}"
    return get(f"page={plant.marker('query')}&{secrets}&password={plant.secret('query: password')}")


@case
def headers(plant: Plant) -> Asked:
    asked = get(
        "",
        ("Authorization", f"Bearer {plant.secret('header: Authorization')}"),
        ("Cookie", f"theme=dark; id={plant.secret('header: Cookie')}"),
        ("X-Api-Key", plant.secret("header: X-Api-Key")),
        ("X-Page", plant.marker("headers")),
    )
    cookie = f"id={plant.secret('header: Set-Cookie')}; HttpOnly; Path=/"
    return Asked("GET", headers=asked.headers, reply=Reply(headers=(("Set-Cookie", cookie),)))


@case
def json_body(plant: Plant) -> Asked:
    body = {
        "title": plant.marker("JSON"),
        "password": plant.phrase("JSON: password"),
        "user": {"profile": {"accessToken": plant.secret("JSON: nested camelCase token")}},
        "ssn": int(plant.digits("JSON: ssn, a number")),
        "card_number": int(plant.digits("JSON: card number, a number")),
        "otp": plant.digits("JSON: otp"),
        "note": f"please charge {plant.card('JSON: card in free text', ' ')} today",
        "log": f"sent {plant.jwt('JSON: JWT in free text')} upstream",
        "auth": {"kind": "basic", "value": plant.secret("JSON: auth object")},
        "tokens": [plant.secret("JSON: list of tokens")],
        "settings": [{"name": "api_key", "value": plant.secret("JSON: name and value")}],
    }
    return post(json.dumps(body), JSON)


@case
def charset_json(plant: Plant) -> Asked:
    body = {"title": plant.marker("JSON with charset"), "password": plant.secret("JSON with charset")}
    return post(json.dumps(body), "application/json; charset=utf-8")


@case
def array(plant: Plant) -> Asked:
    body = [{"title": plant.marker("array")}, {"password": plant.secret("array")}]
    return post(json.dumps(body), JSON)


@case
def form(plant: Plant) -> Asked:
    body = f"title={plant.marker('form')}&password={plant.secret('form')}"
    return post(body, "application/x-www-form-urlencoded")


@case
def ndjson(plant: Plant) -> Asked:
    lines = [{"title": plant.marker("NDJSON")}, {"n": 2, "password": plant.secret("NDJSON")}]
    return post("\n".join(map(json.dumps, lines)) + "\n", "application/x-ndjson")


@case
def graphql(plant: Plant) -> Asked:
    call = f'login(user: "{plant.marker("GraphQL")}", password: "{plant.secret("GraphQL literal")}")'
    return post(json.dumps({"query": f"mutation {{ {call} {{ id }} }}"}), JSON)


@case
def xml(plant: Plant) -> Asked:
    body = f"<user><name>{plant.marker('XML')}</name><password>{plant.secret('XML')}</password></user>"
    return post(f'<?xml version="1.0"?>{body}', "application/xml")


@case
def gzipped(plant: Plant) -> Asked:
    body = json.dumps({"title": plant.marker("gzip"), "password": plant.secret("gzip")}).encode()
    return post(gzip.compress(body, mtime=0), JSON, ("Content-Encoding", "gzip"))


@case
def oversize(plant: Plant) -> Asked:
    body = {
        "title": plant.marker("oversize"),
        "password": plant.secret("oversize"),
        "filler": ["x" * 100] * 2000,
        "last_token": plant.secret("oversize, at the end"),
    }
    return post(json.dumps(body), JSON)


@case
def multipart(plant: Plant) -> Asked:
    fields = {"title": plant.marker("multipart"), "password": plant.secret("multipart")}
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return post("".join(parts) + f"--{BOUNDARY}--\r\n", f"multipart/form-data; boundary={BOUNDARY}")


@case
def response(plant: Plant) -> Asked:
    body = {
        "title": plant.marker("response"),
        "access_token": plant.secret("response: token"),
        "user": {"ssn": plant.digits("response: ssn")},
    }
    return Asked("GET", reply=Reply((json.dumps(body).encode(),)))
