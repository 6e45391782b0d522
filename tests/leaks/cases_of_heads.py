"""Request lines and header fields, of requests and of responses."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from leaks.planting import Asked, Plant, Reply, answering, case, get

_HEADERS: Final = {
    "Proxy-Authorization": "Basic {}",
    "X-Auth-Token": "{}",
    "X-Amz-Security-Token": "{}",
    "X-Vault-Token": "{}",
    "X-Session-Id": "{}",
    "X-CSRF-Token": "{}",
    "X-Hub-Signature": "sha1={}",
    "Apikey": "{}",
    "X-Client-Secret": "{}",
    "PRIVATE-TOKEN": "{}",
    "Cookie": "{}",
    "Referer": "https://ann:{}@x.test/a?b=1",
    "Origin": "https://ann:{}@x.test",
    "X-Forwarded-Uri": "/a?access_token={}",
    "X-Original-URL": "/reset;token={}?a=1",
    "X-Context": '{{"user":"ann","password":"{}"}}',
    "X-Note": "retry with token={} please",
    "X-Callback": "https://x.test/cb?api_key={}",
    "Link": '<https://x.test/?page=2&token={}>; rel="next"',
    "Forwarded": 'for=1.2.3.4;secret="{}"',
    "X-Encoded": "a%3D1%26password%3D{}",
    "baggage": "user=ann,password={}",
    "User-Agent": "app/1.0 (token={})",
    "Sec-WebSocket-Protocol": "v1, access_token.{}",
    "Content-Disposition": 'attachment; filename="a.txt"; password="{}"',
    "Accept": "text/plain;token={}",
    "If-Match": '"session_id={}"',
}
_REPLIED: Final = {
    "Location": "https://x.test/done?a=1&access_token={}#id_token=x",
    "Content-Location": "/a?signature={}",
    "Refresh": "5; url=https://x.test/?token={}",
    "Link": '<https://x.test/?page=2&sig={}>; rel="next"',
    "X-Debug": '{{"secret":"{}"}}',
    "X-Refresh-Token": "{}",
    "Authentication-Info": 'nextnonce="x", token="{}"',
    "Warning": '199 - "password={} is old"',
    "Server-Timing": "db;desc=\"SELECT password='{}'\"",
    "Set-Cookie": "prefs=%7B%22token%22%3A%22{}%22%7D; Path=/; Secure",
}
_TARGETS: Final = {
    "query: name encoded": "?pass%77ord={}",
    "query: name encoded twice": "?pass%2577ord={}",
    "query: brackets": "?user[password]={}&a=1",
    "query: semicolons": "?a=1;token={}",
    "query: JSON": "?filter=%7B%22apiKey%22%3A%22{}%22%7D",
    "query: a URL in it": "?next=https%3A%2F%2Fann%3A{}%40x.test%2F",
    "query: OAuth code": "?code={}&state=xyz",
    "query: upper case": "?API_KEY={}",
    "query: no value": "?token%3D{}",
    "query: JWT assertion": "?client_assertion={}",
    "query: a second ?": "?a=1?token={}",
    "path: matrix": "/a;token={}/b",
    "path: jsessionid": "/a;jsessionid={}?b=1",
    "path: Basic": "/proxy/http://ann:{}@x.test/",
    "path: name and value": "/reset/token={}",
}


@case
def fields_of_requests(plant: Plant) -> Asked:
    named = [(name, text.format(plant.secret(f"header: {name}"))) for name, text in _HEADERS.items()]
    basic = base64.b64encode(f"ann:{plant.secret('header: Basic')}".encode()).decode()
    return get(
        "",
        *named,
        ("Authorization", f"Basic {basic}"),
        ("X-Forwarded-Authorization", f"Bearer {plant.jwt('header: forwarded JWT')}"),
        ("X-Trace", plant.jwt("header: JWT under any name")),
        ("X-Card", plant.card("header: card", "-")),
        ("Cookie", "cart=" + quote(json.dumps({"token": plant.secret("cookie: JSON")}))),
        ("X-Odd", f"Bearer {plant.secret('header: Bearer under any name')}"),
    )


@case
def digest(plant: Plant) -> Asked:
    secret = plant.secret("header: Digest")
    return get("", ("Authorization", f'Digest username="ann", realm="x", response="{secret}"'))


@case
def signed(plant: Plant) -> Asked:
    signature = plant.secret("header: AWS signature")
    return get("", ("Authorization", f"AWS4-HMAC-SHA256 Credential=AKIDx/2026, Signature={signature}"))


@case
def no_scheme(plant: Plant) -> Asked:
    return get("", ("Authorization", plant.secret("header: Authorization without a scheme")))


@case
def trace_state(plant: Plant) -> Asked:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    return get("", ("traceparent", parent), ("tracestate", f"vendor={plant.github('span: trace state')}"))


@case
def fields_of_responses(plant: Plant) -> Asked:
    named = [(name, text.format(plant.secret(f"response: {name}"))) for name, text in _REPLIED.items()]
    second = ("Set-Cookie", f"id={plant.secret('response: second Set-Cookie')}")
    fragment = ("X-Next", f"https://x.test/#access_token={plant.secret('response: fragment')}&a=1")
    return Asked("GET", reply=Reply(headers=(*named, second, fragment)))


def _target(name: str, text: str) -> Asked:
    return Asked("GET", target=text.format(name))


@case
def path_of_values(plant: Plant) -> Asked:
    values = (plant.jwt("path: JWT"), plant.aws("path: AWS key"), plant.card("path: card"))
    return Asked("GET", target="/" + "/".join(values))


@case
def host(plant: Plant) -> Asked:
    return replace(get("a=1"), headers=(("Host", f"{plant.github('header: Host')}.test"),))


@case
def whole_url(plant: Plant) -> Asked:
    return Asked("GET", target=f"http://ann:{plant.secret('request line: userinfo')}@x.test/whole-url")


@case
def content_type(plant: Plant) -> Asked:
    secret = plant.secret("header: Content-Type")
    return Asked(body=b"a=1", headers=(("Content-Type", f"application/x-y; token={secret}"),))


@case
def trailer(plant: Plant) -> Asked:
    return Asked(
        body=b"a=1\0trailer\0" + f"X-Token: {plant.secret('trailer')}".encode(),
        headers=(("Content-Type", "text/plain"), ("Trailer", "X-Token")),
        chunked=True,
    )


@case
def websocket(plant: Plant) -> Asked:
    return get(
        f"token={plant.secret('websocket: query')}",
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", f"bearer.{plant.secret('websocket: protocol')}"),
    )


@case
def not_found(plant: Plant) -> Asked:
    secret = plant.secret("error page: the URL")
    return replace(
        answering(f"<p>Nothing at /x?token={secret}</p>", "text/html", status=404), target=f"?token={secret}"
    )


def _add_targets() -> None:
    from leaks.planting import CASES

    for number, (name, text) in enumerate(_TARGETS.items()):
        CASES[f"target-{number}"] = lambda plant, name=name, text=text: _target(plant.secret(name), text)  # type: ignore[misc]


_add_targets()
