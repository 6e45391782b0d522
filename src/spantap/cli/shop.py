"""The shop `spantap demo` captures: a small FastAPI app, as anybody might have written it.

All it knows of spantap is the four lines that say who is asking and what an order is worth.
It runs by itself too: ``uvicorn spantap.cli.shop:app``.
"""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from itertools import count
from typing import Annotated, Any

from fastapi import Cookie, Depends, FastAPI, Form, Header, HTTPException, Response, UploadFile
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import RedirectResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

import spantap
from spantap.cli.shop_data import CUSTOMERS, PRODUCTS, STOCK_KEY, Customer, access_token, signature

app = FastAPI(title="Demo shop")
app.add_middleware(GZipMiddleware, minimum_size=800)


class Credentials(BaseModel):
    """What a login form asks for."""

    email: str
    password: str


class Card(BaseModel):
    """A payment card; clients send numbers as text and as numbers."""

    number: str | int
    expires: str
    cvc: str | int


class Line(BaseModel):
    """So many of one product."""

    sku: str
    quantity: int = Field(gt=0)


class Checkout(BaseModel):
    """An order to be made and paid."""

    lines: list[Line]
    card: Card
    note: str = ""


class Order(BaseModel):
    """An order as the shop keeps it."""

    id: int
    customer: str
    lines: list[Line]
    total: float
    note: str


class GatewayError(Exception):
    """The payment gateway did not answer."""


orders: dict[int, Order] = {}
sessions: dict[str, Customer] = {}
bearers = {access_token(customer): customer for customer in CUSTOMERS.values()}
keys = {customer.api_key: customer for customer in CUSTOMERS.values()}
next_id = count(7001)


def signed_in(
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
    session: Annotated[str | None, Cookie()] = None,
) -> Customer:
    """The customer behind the request, by bearer token or session cookie."""
    customer = bearers.get(bearer.credentials) if bearer else sessions.get(session or "")
    if customer is None:
        raise HTTPException(401, "sign in first")
    return recognised(customer)


SignedIn = Annotated[Customer, Depends(signed_in)]


def check_password(email: str, password: str) -> Customer:
    """The customer with this password, or 401."""
    customer = CUSTOMERS.get(email)
    if customer is None or not hmac.compare_digest(customer.password.encode(), password.encode()):
        raise HTTPException(401, "unknown e-mail or wrong password")
    return recognised(customer)


def recognised(customer: Customer) -> Customer:
    """Tell the capture who is asking."""
    spantap.current().user(customer.id)
    spantap.current().company(customer.company)
    return customer


def open_session(customer: Customer, response: Response) -> None:
    """Remember the customer by a cookie."""
    session = signature("session", customer)
    sessions[session] = customer
    response.set_cookie("session", session, httponly=True, samesite="lax")


@app.post("/login")
async def login(credentials: Credentials, response: Response) -> dict[str, Any]:
    """Sign in from a program: JSON in, a bearer token out."""
    customer = check_password(credentials.email, credentials.password)
    open_session(customer, response)
    return {
        "access_token": access_token(customer),
        "token_type": "bearer",
        "expires_in": 3600,
        "user": {"id": customer.id, "name": customer.name},
    }


@app.post("/login/form")
async def login_form(email: Annotated[str, Form()], password: Annotated[str, Form()]) -> Response:
    """Sign in from a browser: a form in, a cookie and a redirect out."""
    response = RedirectResponse("/users/me", status_code=303)
    open_session(check_password(email, password), response)
    return response


@app.delete("/session", status_code=204)
async def logout(customer: SignedIn) -> None:
    """Forget the session."""
    sessions.pop(signature("session", customer), None)


@app.get("/users/me")
def profile(customer: SignedIn) -> dict[str, str]:
    """The signed-in customer's own page, API key and all."""
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "company": customer.company,
        "api_key": customer.api_key,
        "csrf_token": signature("form", customer),
    }


@app.put("/users/me/picture")
async def change_picture(
    customer: SignedIn, picture: UploadFile, csrf_token: Annotated[str, Form()]
) -> dict[str, str | int | None]:
    """Take a new picture of the customer."""
    if not hmac.compare_digest(csrf_token.encode(), signature("form", customer).encode()):
        raise HTTPException(403, "this form is not ours")
    return {"name": picture.filename, "media_type": picture.content_type, "size": len(await picture.read())}


@app.get("/products")
async def products(q: str = "") -> list[dict[str, Any]]:
    """What is for sale."""
    return [
        {"sku": each.sku, "name": each.name, "price": each.price, "stock": each.stock}
        for each in PRODUCTS.values()
        if q.lower() in each.name.lower()
    ]


@app.patch("/products/{sku}")
async def restock(sku: str, change: dict[str, int], x_api_key: Annotated[str, Header()]) -> dict[str, Any]:
    """Correct the stock: for the warehouse, which has a key of its own."""
    if not hmac.compare_digest(x_api_key.encode(), STOCK_KEY.encode()):
        raise HTTPException(403, "wrong key")
    if sku not in PRODUCTS:
        raise HTTPException(404, "no such product")
    PRODUCTS[sku].stock += change.get("arrived", 0)
    return {"sku": sku, "stock": PRODUCTS[sku].stock}


@app.post("/orders", status_code=201)
async def checkout(wanted: Checkout, customer: SignedIn) -> Order:
    """Make an order and charge the card."""
    if unknown := [line.sku for line in wanted.lines if line.sku not in PRODUCTS]:
        raise HTTPException(404, f"not for sale: {', '.join(unknown)}")
    total = round(sum(PRODUCTS[line.sku].price * line.quantity for line in wanted.lines), 2)
    await charge(wanted.card, total)
    order = Order(id=next(next_id), customer=customer.id, lines=wanted.lines, total=total, note=wanted.note)
    orders[order.id] = order
    spantap.current().metadata(order=order.id, items=len(order.lines))
    spantap.current().metric("order.total", total)
    return order


async def charge(card: Card, total: float) -> None:
    """Ask the payment gateway, which is slow and fails on large sums."""
    await asyncio.sleep(0.06)
    if total > 5000:
        raise GatewayError(f"no answer while charging {total} to card {card.number}")


@app.get("/orders/export")
async def export(api_key: str) -> StreamingResponse:
    """A customer's orders as NDJSON, sent as the archive finds them."""
    if api_key not in keys:
        raise HTTPException(403, "wrong key")
    return StreamingResponse(found_orders(keys[api_key]), media_type="application/x-ndjson")


async def found_orders(customer: Customer) -> AsyncIterator[str]:
    """One line for each order; the archive is slow."""
    for order in [each for each in orders.values() if each.customer == customer.id]:
        yield json.dumps({"order": order.id, "total": order.total, "lines": len(order.lines)}) + "\n"
        await asyncio.sleep(0.03)


@app.get("/orders/{order_id}")
async def order(order_id: int, customer: SignedIn) -> Order:
    """One order of the signed-in customer."""
    found = orders.get(order_id)
    if found is None or found.customer != customer.id:
        raise HTTPException(404, "no such order")
    return found
