"""The shop and its visitors without spantap: what goes over the wire is what the demo promises."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_plus

import pytest

from spantap.cli.serving import ServerError, serving
from spantap.cli.shop import app
from spantap.cli.traffic import AMEX, DECLINED, DISCOVER, MASTERCARD, PLANTED, VISA, open_for_business

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Wire:
    """Sits around the shop and writes down every byte, as somebody on the network would."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.request_ids: list[str] = []
        self.statuses: list[int] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        self.request_ids += [value.decode() for name, value in scope["headers"] if name == b"x-request-id"]
        self.note(scope["raw_path"], scope["query_string"], *sum(scope["headers"], ()))

        async def listen() -> Message:
            message = await receive()
            self.note(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            self.note(message.get("body", b""), *sum(message.get("headers", ()), ()))
            if "status" in message:
                self.statuses.append(message["status"])
            await send(message)

        await app(scope, listen, answer)

    def note(self, *parts: bytes) -> None:
        self.seen += b"\n".join(parts) + b"\n"


@pytest.fixture(scope="module")
def wire() -> Wire:
    wire = Wire()
    with serving(wire) as shop:
        sent = asyncio.run(open_for_business(shop))
    assert Counter(sent) == Counter(wire.request_ids)
    return wire


@pytest.mark.parametrize("secret", PLANTED)
def test_every_planted_secret_goes_over_the_wire(wire: Wire, secret: str) -> None:
    """Else its absence from the store would prove nothing."""
    text = wire.seen.decode("latin-1")

    assert secret in text or secret in unquote_plus(text)


@pytest.mark.parametrize("secret", PLANTED)
def test_a_planted_secret_is_long_and_part_of_no_other(secret: str) -> None:
    """So that a hit is a leak, not chance."""
    assert len(secret) >= 8
    assert [other for other in PLANTED if secret in other] == [secret]


@pytest.mark.parametrize("number", [VISA, MASTERCARD, AMEX, DISCOVER, DECLINED])
def test_card_numbers_pass_the_luhn_check(number: str | int) -> None:
    """A detector that checks the sum must be given a fair chance."""
    digits = [int(each) for each in str(number) if each.isdigit()][::-1]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]

    assert (sum(digits[::2]) + sum(doubled)) % 10 == 0


def test_the_traffic_has_some_of_everything(wire: Wire) -> None:
    """Each visitor numbers its requests, and every kind of answer occurs."""
    assert 20 <= len(wire.request_ids) <= 30
    assert len(set(wire.request_ids)) == len(wire.request_ids)
    assert {200, 201, 204, 303, 401, 404, 422, 500} == set(wire.statuses)


def test_a_server_that_does_not_start_is_named() -> None:
    """An app that fails at start-up ends the demo with a sentence, and no thread stays."""

    async def broken(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no tea"})

    with pytest.raises(ServerError, match="did not start"), serving(broken):
        pytest.fail("it should not have started")
