"""A Starlette that does not leave its route in the scope: it is found by its endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from asgi_client import call, scope
from spantap.inbound.route import describe_scope
from spantap.model import Observation


async def one(request: Any) -> PlainTextResponse:
    return PlainTextResponse("one")


async def other(request: Any) -> PlainTextResponse:
    return PlainTextResponse("other")


async def asset(request: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("asset")(request, receive, send)


ROUTES = [
    Route("/items", one),
    Route("/items/{number:int}", one),
    Route("/twice", other),
    Route("/again", other),
    Mount("/shop/{shop}", routes=[Route("/carts/{cart}", one, name="cart"), Mount("/static", asset)]),
]


@pytest.mark.parametrize(
    ("path", "route", "endpoint"),
    [
        ("/items", "/items", "one"),
        ("/items/7", "/items/{number}", "one"),
        ("/shop/left/carts/3", "/shop/{shop}/carts/{cart}", "cart"),
        ("/twice", None, None),  # either of two
        ("/nowhere", None, None),
    ],
)
def test_found_by_its_endpoint(path: str, route: str | None, endpoint: str | None) -> None:
    """The template with the prefixes of mounts, or nothing where it might be another."""
    request = scope("GET", path)
    app = Starlette(routes=ROUTES)
    call(app, request)
    request.pop("route", None)  # as it was before Starlette left it there
    seen = Observation("GET", "http", path, "", 0)

    describe_scope(seen, request)

    assert (seen.route, seen.endpoint) == (route, endpoint)
