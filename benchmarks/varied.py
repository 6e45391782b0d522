"""A small API and varied traffic for it, always the same: what sizes are measured with.

Texts are made of two thousand words whose frequencies fall as those of a language do (Zipf); names, ids,
prices, times and codes are random. So bodies compress about as real ones do, not as repeated ones.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

import spantap

_CHANCE: Final = random.Random(20)
_SYLLABLES: Final = [a + b for a in "bcdfghklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]
_WORDS: Final = ["".join(_CHANCE.choices(_SYLLABLES, k=_CHANCE.randint(1, 4))) for _ in range(2000)]
_COMMONNESS: Final = list(itertools.accumulate(1 / rank for rank in range(1, 2001)))
_WEBKIT: Final = "Mozilla/5.0 ({}) AppleWebKit/{} (KHTML, like Gecko) {}"
_AGENTS: Final = (
    _WEBKIT.format("Windows NT 10.0; Win64; x64", "537.36", "Chrome/141.0.0.0 Safari/537.36"),
    _WEBKIT.format(
        "iPhone; CPU iPhone OS 18_6 like Mac OS X", "605.1.15", "Version/18.6 Mobile/15E148 Safari/604.1"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "okhttp/4.12.0",
    "python-requests/2.32.5",
    "shop-android/8.14.2 (build 81402; Android 15)",
)
_USERS: Final = [f"u-{number}" for number in range(1000, 6000)]


class Sent(NamedTuple):
    """A request of the traffic."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes


def words(chance: random.Random, count: int) -> str:
    """So many words, the common ones often."""
    return " ".join(chance.choices(_WORDS, cum_weights=_COMMONNESS, k=count))


def app() -> Any:
    """The API; what it answers depends on the number of the request alone."""

    async def answer(request: Request) -> Response:
        body = await request.body()
        chance = random.Random(int(request.headers["x-number"]))
        if user := request.headers.get("x-user"):
            spantap.current().user(user)
        return _ANSWERS[request.scope["route"].path](chance, request, body)

    return Starlette(
        routes=[Route(path, answer, methods=["GET", "POST", "PUT", "DELETE"]) for path in _ANSWERS]
    )


def traffic(count: int) -> Iterator[Sent]:
    """So many requests: reads of lists and single things, searches, orders, logins, forms, pages, faults."""
    chance = random.Random(7)
    for number in range(count):
        method, path, query, media_type, body = chance.choices(_KINDS, _SHARES)[0](chance)
        headers = [
            ("host", "api.shop.example"),
            ("user-agent", chance.choice(_AGENTS)),
            ("accept", "application/json, text/plain, */*"),
            ("accept-encoding", "gzip, deflate, br"),
            (
                "accept-language",
                chance.choice(("en-GB,en;q=0.9", "de-DE,de;q=0.8,en;q=0.5", "fr;q=0.9,en;q=0.4")),
            ),
            ("x-forwarded-for", ".".join(str(chance.randrange(1, 255)) for _ in range(4))),
            ("x-forwarded-proto", "https"),
            ("x-request-id", str(uuid.UUID(int=chance.getrandbits(128)))),
            ("x-number", str(number)),
        ]
        if chance.random() < 0.8:
            headers += [
                ("x-user", chance.choice(_USERS)),
                ("authorization", f"Bearer {chance.getrandbits(256):064x}"),
            ]
        if chance.random() < 0.4:
            headers.append(("cookie", f"session={chance.getrandbits(128):032x}; theme=dark"))
        if body:
            headers += [("content-type", media_type), ("content-length", str(len(body)))]
        yield Sent(method, path, query, headers, body)


def _thing(chance: random.Random) -> dict[str, Any]:
    return {
        "id": str(uuid.UUID(int=chance.getrandbits(128))),
        "sku": f"{chance.choice('ABCDEFG')}{chance.randrange(10**6):06}",
        "name": words(chance, 3).title(),
        "description": words(chance, chance.randint(5, 40)),
        "price": round(chance.lognormvariate(3, 1), 2),
        "currency": chance.choice(("EUR", "USD", "GBP")),
        "stock": chance.randrange(500),
        "tags": words(chance, chance.randint(0, 4)).split(),
        "updated": f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T{chance.randrange(24):02}:"
        f"{chance.randrange(60):02}:{chance.randrange(60):02}Z",
    }


def _list(chance: random.Random, request: Request, body: bytes) -> Response:
    return JSONResponse(
        {"items": [_thing(chance) for _ in range(chance.randint(0, 20))], "next": chance.getrandbits(64)},
        headers={"cache-control": "private, max-age=30", "etag": f'"{chance.getrandbits(64):016x}"'},
    )


def _one(chance: random.Random, request: Request, body: bytes) -> Response:
    if request.method == "DELETE":
        return Response(status_code=204)
    if chance.random() < 0.06:
        return JSONResponse({"detail": "no such product"}, 404)
    if chance.random() < 0.1:
        return Response(status_code=304, headers={"etag": f'"{chance.getrandbits(64):016x}"'})
    return JSONResponse(_thing(chance))


def _order(chance: random.Random, request: Request, body: bytes) -> Response:
    if chance.random() < 0.02:
        return JSONResponse(
            {"detail": f"no answer from {words(chance, 1)}", "id": chance.getrandbits(64)}, 503
        )
    if chance.random() < 0.08:
        errors = [{"loc": ["body", words(chance, 1)], "msg": words(chance, 4)} for _ in range(2)]
        return JSONResponse({"detail": errors}, 422)
    return JSONResponse({"id": chance.getrandbits(40), "state": "open", **json.loads(body)}, 201)


def _login(chance: random.Random, request: Request, body: bytes) -> Response:
    if chance.random() < 0.1:
        return JSONResponse({"detail": "unknown name or wrong password"}, 401)
    token = f"{chance.getrandbits(512):0128x}"
    answer = JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": 3600})
    answer.set_cookie("session", token[:32], httponly=True)
    return answer


def _page(chance: random.Random, request: Request, body: bytes) -> Response:
    paragraphs = "\n".join(f"<p>{words(chance, 60)}</p>" for _ in range(chance.randint(4, 30)))
    return HTMLResponse(
        f"<!doctype html><html><head><title>{words(chance, 4)}</title></head>{paragraphs}</html>"
    )


def _form(chance: random.Random, request: Request, body: bytes) -> Response:
    return RedirectResponse(f"/account/{chance.randrange(10**6)}", 303)


_ANSWERS: Final = {
    "/api/products": _list,
    "/api/products/{sku}": _one,
    "/api/search": _list,
    "/api/orders": _order,
    "/api/orders/{order_id}": _one,
    "/api/login": _login,
    "/account/address": _form,
    "/pages/{name}": _page,
}

Kind = tuple[str, str, str, str, bytes]  # method, path, query, media type, body


def _json(method: str, path: str, value: Any) -> Kind:
    return method, path, "", "application/json", json.dumps(value).encode()


def _read(chance: random.Random) -> Kind:
    return "GET", f"/api/products/{chance.choice('ABCDEFG')}{chance.randrange(10**6):06}", "", "", b""


def _browse(chance: random.Random) -> Kind:
    query = urlencode({"page": chance.randrange(50), "sort": chance.choice(("price", "name", "-updated"))})
    return "GET", "/api/products", query, "", b""


def _search(chance: random.Random) -> Kind:
    return "GET", "/api/search", urlencode({"q": words(chance, chance.randint(1, 3)), "limit": 20}), "", b""


def _buy(chance: random.Random) -> Kind:
    lines = [{**_thing(chance), "quantity": chance.randint(1, 5)} for _ in range(chance.randint(1, 4))]
    card = {
        "number": "4111111111111111",
        "expires": f"0{chance.randint(1, 9)}/29",
        "cvc": str(chance.randrange(100, 999)),
    }
    return _json(
        "POST", "/api/orders", {"lines": lines, "card": card, "note": words(chance, chance.randint(0, 20))}
    )


def _look_up(chance: random.Random) -> Kind:
    return "GET", f"/api/orders/{chance.randrange(10**7)}", "", "", b""


def _remove(chance: random.Random) -> Kind:
    return "DELETE", f"/api/orders/{chance.randrange(10**7)}", "", "", b""


def _sign_in(chance: random.Random) -> Kind:
    name = f"{words(chance, 1)}{chance.randrange(99)}@{words(chance, 1)}.example"
    return _json("POST", "/api/login", {"email": name, "password": f"{chance.getrandbits(64):x}"})


def _move(chance: random.Random) -> Kind:
    form = {
        "street": words(chance, 2),
        "number": chance.randrange(200),
        "city": words(chance, 1),
        "csrf": chance.getrandbits(64),
    }
    return "POST", "/account/address", "", "application/x-www-form-urlencoded", urlencode(form).encode()


def _visit(chance: random.Random) -> Kind:
    return "GET", f"/pages/{words(chance, 1)}", "", "", b""


_KINDS: Final = (_read, _browse, _search, _buy, _look_up, _remove, _sign_in, _move, _visit)
_SHARES: Final = (35, 14, 10, 12, 12, 2, 6, 3, 6)


def sender(app: Any) -> Callable[[Sent], None]:
    """Calls an ASGI app directly, without a server."""
    loop = asyncio.new_event_loop()

    async def exchange(sent: Sent) -> None:
        whole = False

        async def receive() -> dict[str, Any]:
            nonlocal whole
            if whole:
                return {"type": "http.disconnect"}
            whole = True
            return {"type": "http.request", "body": sent.body, "more_body": False}

        async def send(message: Any) -> None:
            pass

        await app(
            {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": sent.method,
                "scheme": "http",
                "path": sent.path,
                "raw_path": sent.path.encode(),
                "query_string": sent.query.encode(),
                "root_path": "",
                "headers": [(name.encode(), value.encode()) for name, value in sent.headers],
                "client": ("10.1.2.3", 50000),
                "server": ("10.1.2.4", 8000),
            },
            receive,
            send,
        )

    return lambda sent: loop.run_until_complete(exchange(sent))
