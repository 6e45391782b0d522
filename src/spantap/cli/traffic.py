"""A few minutes in the life of the demo shop, as its visitors cause it: real HTTP, real secrets.

Each visitor is a coroutine with a client of its own; the shop sees them at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from spantap.cli.shop_data import CUSTOMERS, STOCK_KEY, access_token, signature

if TYPE_CHECKING:
    import httpx

ADA, GRACE, LINUS = CUSTOMERS.values()

# Test numbers of the card networks: they pass the Luhn check and belong to nobody.
VISA = "4242424242424242"
MASTERCARD = "5555 5555 5555 4444"
AMEX = 378282246310005
DISCOVER = "6011-1111-1111-1117"
DECLINED = "4000002760003184"

WRONG_PASSWORD = "tux-forgot-this-one"  # noqa: S105
FORGED_BEARER = "ya29.forged-by-a-scanner"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40

PLANTED: tuple[str, ...] = (
    *(each.password for each in CUSTOMERS.values()),
    quote_plus(GRACE.password),
    *(each.api_key for each in CUSTOMERS.values()),
    *(signature(purpose, each) for each in CUSTOMERS.values() for purpose in ("session", "form")),
    # The claims and the proof of each token; its head is the same for the whole world.
    *(part for each in (ADA, LINUS) for part in access_token(each).split(".")[1:]),
    *(VISA, MASTERCARD, str(AMEX), DISCOVER, DECLINED),
    *(WRONG_PASSWORD, FORGED_BEARER, STOCK_KEY),
)
"""Every secret that goes over the wire in `open_for_business`; none may be found afterwards."""

Sent = list[str]


async def open_for_business(shop: str) -> Sent:
    """Let everybody in.

    Args:
        shop: its base URL.

    Returns:
        The ``x-request-id`` of each request that was sent and answered.
    """
    sent: Sent = []
    await asyncio.gather(
        ada_orders_by_program(shop, sent),
        grace_uses_a_browser(shop, sent),
        linus_gets_things_wrong(shop, sent),
        scanner_tries_doors(shop, sent),
    )
    await machines_do_their_round(shop, sent)
    return sent


async def ada_orders_by_program(shop: str, sent: Sent) -> None:
    """JSON login, bearer token, three orders at once, one of them looked at afterwards."""
    async with visitor("ada", shop, sent) as client:
        answer = await client.post("/login", json={"email": ADA.email, "password": ADA.password})
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        await client.get("/users/me")
        await client.get("/products", params={"q": "tea"})
        answers = await asyncio.gather(
            client.post("/orders", json=order("TEA-01", 3, card(VISA), note="please ring twice")),
            client.post("/orders", json=order("POT-01", 1, card(MASTERCARD))),
            client.post("/orders", json=order("CUP-01", 6, card(VISA), note=f"else take {DISCOVER}")),
        )
        await client.get(f"/orders/{answers[0].json()['id']}")


async def grace_uses_a_browser(shop: str, sent: Sent) -> None:
    """Form login, session cookie, a new picture, an order whose card is a number, and out."""
    async with visitor("grace", shop, sent) as client:
        answer = await client.post("/login/form", data={"email": GRACE.email, "password": GRACE.password})
        page = await client.get(answer.headers["location"])
        await client.put(
            "/users/me/picture",
            data={"csrf_token": page.json()["csrf_token"]},
            files={"picture": ("grace.png", PICTURE, "image/png")},
        )
        await client.get("/products")
        answer = await client.post("/orders", json=order("MIL-01", 1, card(AMEX)))
        await client.get(f"/orders/{answer.json()['id']}")
        await client.delete("/session")
        await client.get("/users/me")


async def linus_gets_things_wrong(shop: str, sent: Sent) -> None:
    """A wrong password, an order of nothing, one of somebody else, and one too large to pay."""
    async with visitor("linus", shop, sent) as client:
        await client.post("/login", json={"email": LINUS.email, "password": WRONG_PASSWORD})
        answer = await client.post("/login", json={"email": LINUS.email, "password": LINUS.password})
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        await client.get("/users/me")
        await client.get("/products", params={"q": "espresso"})
        await client.post("/orders", json=order("MAC-01", 0, card(DECLINED)))
        await client.get("/orders/1")
        await client.post("/orders", json=order("MAC-01", 2, card(DECLINED), note="for the whole team"))


async def scanner_tries_doors(shop: str, sent: Sent) -> None:
    """Somebody who wants in and does not get in."""
    async with visitor("scanner", shop, sent) as client:
        await client.get("/wp-admin/setup")
        await client.get("/users/me", headers={"authorization": f"Bearer {FORGED_BEARER}"})


async def machines_do_their_round(shop: str, sent: Sent) -> None:
    """The warehouse brings goods, the bookkeeping fetches Ada's orders."""
    async with visitor("warehouse", shop, sent) as client:
        await client.patch("/products/TEA-01", json={"arrived": 40}, headers={"x-api-key": STOCK_KEY})
    async with (
        visitor("bookkeeping", shop, sent) as client,
        client.stream("GET", "/orders/export", params={"api_key": ADA.api_key}) as answer,
    ):
        async for _ in answer.aiter_lines():
            pass


def order(sku: str, quantity: int, paid_with: dict[str, str | int], note: str = "") -> dict[str, Any]:
    """The JSON of a checkout."""
    return {"lines": [{"sku": sku, "quantity": quantity}], "card": paid_with, "note": note}


def card(number: str | int) -> dict[str, str | int]:
    """The JSON of a payment card."""
    return {"number": number, "expires": "11/31", "cvc": "737"}


@asynccontextmanager
async def visitor(name: str, shop: str, sent: Sent) -> AsyncIterator[httpx.AsyncClient]:
    """A client that numbers what it sends and notes what was answered."""
    import httpx

    numbered = 0

    async def number(request: httpx.Request) -> None:
        nonlocal numbered
        numbered += 1
        request.headers["x-request-id"] = f"{name}-{numbered:02}"

    async def note(response: httpx.Response) -> None:
        sent.append(response.request.headers["x-request-id"])

    async with httpx.AsyncClient(
        base_url=shop,
        headers={"user-agent": f"{name}/1.0"},
        event_hooks={"request": [number], "response": [note]},
        timeout=10,
        trust_env=False,  # a proxy in the environment has no business on the loopback
    ) as client:
        yield client
