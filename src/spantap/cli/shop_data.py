"""What the demo shop knows: invented customers, their invented secrets, and what is for sale.

Standard library only, so that the client and the tests can read it without the `demo` extra.
Everything is the same in each run: the tests look for these very secrets where none may be.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

_SIGNING_KEY = b"demo-shop-signing-key"
STOCK_KEY = "stock-9fQ2mVx7LrTz"


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who shops here."""

    id: str
    name: str
    email: str
    company: str
    password: str
    api_key: str


@dataclass(slots=True)
class Product:
    """Something for sale."""

    sku: str
    name: str
    price: float
    stock: int


CUSTOMERS = {
    each.email: each
    for each in (
        Customer("u-1001", "Ada", "ada@looms.example", "looms", "Lace&Punch=1843", "shopkey-ada-4XhW8sPd"),
        Customer("u-1002", "Grace", "grace@navy.example", "navy", "moth/In+Relay70", "shopkey-grace-b7KqZ2"),
        Customer("u-1003", "Linus", "linus@herd.example", "herd", "gnu&free=1991", "shopkey-linus-Yt63Rm"),
    )
}

PRODUCTS = {
    each.sku: each
    for each in (
        Product("TEA-01", "Green tea, 100 g", 7.5, 140),
        Product("TEA-02", "Smoked black tea, 100 g", 8.9, 62),
        Product("TEA-03", "Rooibos with orange, 100 g", 6.4, 88),
        Product("COF-01", "Espresso beans, 500 g", 11.9, 75),
        Product("COF-02", "Filter roast, 500 g", 12.4, 31),
        Product("COF-03", "Decaf, water process, 500 g", 13.2, 18),
        Product("CUP-01", "Cup, white", 9.0, 210),
        Product("CUP-02", "Cup, enamel, blue", 12.0, 44),
        Product("POT-01", "Teapot, cast iron", 64.0, 9),
        Product("POT-02", "Moka pot, six cups", 38.5, 23),
        Product("MIL-01", "Hand mill, steel burrs", 89.0, 12),
        Product("MAC-01", "Espresso machine, two groups", 4850.0, 2),
    )
}


def signature(purpose: str, customer: Customer) -> str:
    """A secret only this shop can make for the customer: a session id, a form token."""
    message = f"{purpose}:{customer.id}".encode()
    return hmac.new(_SIGNING_KEY, message, hashlib.sha256).hexdigest()[:32]


def access_token(customer: Customer) -> str:
    """The customer's bearer token, a JSON Web Token (HS256)."""
    head = _segment({"alg": "HS256", "typ": "JWT"})
    claims = _segment({"sub": customer.id, "scope": "shop"})
    proof = hmac.new(_SIGNING_KEY, f"{head}.{claims}".encode(), hashlib.sha256).digest()
    return f"{head}.{claims}.{_base64url(proof)}"


def _segment(part: dict[str, str]) -> str:
    return _base64url(json.dumps(part, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
