"""How exchanges end: slowly, badly, or not at all."""

from __future__ import annotations

from typing import Any

from contracts.inbound.apps.answers import PIECES
from contracts.inbound.choose import doors
from contracts.inbound.visit import Visit

_BOOM = "contracts.inbound.apps.answers.BoomError"
_HELD = 50_000_000  # nanoseconds the client lets a held stream wait


def _outside_of_error_pages(door: str, mode: str) -> bool:
    """Whether the door sees the 500 the client gets.

    A server's own page, for bare apps, and Starlette's, when the middleware is placed by hand
    inside of it, are made outside.
    """
    by_hand = door in ("fastapi", "starlette") and mode == "middleware"
    return door not in ("asgi", "wsgi") and not by_hand


@doors()
def test_a_stream_is_timed_to_its_last_byte(visit: Visit) -> None:
    """Time to first byte is that of the first chunk, the end that of the last."""
    record = visit.record("held")

    assert record["start"] < record["first_byte"]
    assert record["end"] - record["first_byte"] >= _HELD
    assert record["response"]["body"]["content"].encode() == b"".join(PIECES)
    assert "incomplete" not in record


@doors()
def test_the_span_of_a_stream_has_its_body(visit: Visit) -> None:
    """The SERVER span carries the whole stream, whenever its owner ended it."""
    attributes = visit.span("held").attributes

    assert attributes["http.response.body.content"].encode() == b"".join(PIECES)
    assert attributes["spantap.time_to_first_byte"] > 0


def _begins(body: dict[str, Any], beginning: bytes) -> None:
    """Half a body is shown as far as it went, or withheld for being half."""
    if "content" in body:
        assert body["content"].encode().startswith(beginning)
    else:
        assert body["withheld"] == "incomplete"


@doors(only=lambda door, mode: (door, mode) != ("flask", "middleware"))
def test_an_exception_is_recorded_with_its_class(visit: Visit) -> None:
    """The record of a request that blew up names the error, its text without secrets."""
    record, span = visit.record("boom"), visit.span("boom")

    assert record["error"]["type"] == _BOOM
    assert record["error"]["message"].startswith("no luck with password=")
    assert span.status == "ERROR"
    assert span.attributes["http.request.header.x-case"] == ["boom"]


@doors(only=_outside_of_error_pages)
def test_an_error_page_is_recorded_as_the_client_got_it(visit: Visit) -> None:
    """The 500 the framework made of an exception: status and body."""
    response = visit.record("boom")["response"]

    assert response["status"] == 500
    assert response["body"]["content"].encode() == visit.answers["boom"].content
    assert visit.span("boom").attributes["http.response.status_code"] == 500


@doors()
def test_a_stream_that_breaks_says_so(visit: Visit) -> None:
    """What was sent before the exception, and the exception."""
    record = visit.record("halfway")

    assert record["error"]["type"] == _BOOM
    assert record["response"]["status"] == 200
    _begins(record["response"]["body"], b"".join(PIECES[:2]))
    assert record["response"]["body"]["size"] == 16
    assert visit.span("halfway").attributes["error.type"]


@doors()
def test_a_client_that_leaves_is_noticed(visit: Visit) -> None:
    """The record of a stream nobody heard to its end is marked incomplete; its span carries it too."""
    record, span = visit.record("gone"), visit.span("gone")

    assert record["incomplete"] == "client_disconnected"
    assert record["response"]["status"] == 200
    _begins(record["response"]["body"], PIECES[0])
    assert span.attributes["http.request.header.x-case"] == ["gone"]
    assert span.attributes["spantap.incomplete"] == "client_disconnected"
