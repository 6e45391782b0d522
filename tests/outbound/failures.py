"""A request that fails, without capture and with it."""

from __future__ import annotations

from collections.abc import Callable

from outbound.conftest import Sent
from outbound.odd_server import OddServer
from spantap.model import Exchange


def error_of(send: Callable[[], object]) -> Exception | None:
    """What sending raises, if it does."""
    try:
        send()
    except Exception as error:
        return error
    return None


def failed_twice(
    sent: Sent, odd: OddServer, client: str, send: Callable[[], object]
) -> tuple[Exception, Exception, Exchange]:
    """What it raises without capture, what with it, and the only record."""
    without = error_of(send)
    odd.go_on.clear()
    sent.start(client)
    raised = error_of(send)
    assert raised is not None
    assert without is not None
    return without, raised, sent.exchange


def says(exchange: Exchange) -> tuple[str | None, str | None]:
    """The kind of the error that is recorded, and what the record lacks."""
    return exchange.error.type if exchange.error else None, exchange.incomplete
