"""The tables and the full view, of exchanges made by hand and printed without a terminal."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console, RenderableType

from spantap.cli.detail import exchange_in_full
from spantap.cli.units import duration, size
from spantap.cli.view import by_route, exchange_table, new_console, route_table
from spantap.model import Body, Error, Exchange, Headers, Identity, Request, Response, Timing

MS = 1_000_000
START = 1_790_000_000_000 * MS


def exchange(
    method: str = "GET",
    path: str = "/orders",
    status: int | None = 200,
    *,
    took: int = 12 * MS,
    query: str = "",
    route: str | None = "/orders",
    request: Body | None = None,
    response: Body | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    identity: Identity | None = None,
    error: Error | None = None,
    redactions: dict[str, int] | None = None,
) -> Exchange:
    return Exchange(
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        span_id="00f067aa0ba902b7",
        request=Request(method, "http", path, query, Headers(headers), body=request or Body()),
        response=Response(status, body=response or Body()),
        timing=Timing(START, START + took // 2, START + took),
        route=route,
        identity=identity or Identity(),
        error=error,
        redactions=redactions or {},
    )


def printed(what: RenderableType, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(what)
    return out.getvalue()


def test_a_line_shows_what_went_over_the_wire() -> None:
    """Method, path, status, duration, first byte, both sizes and the user, in one line."""
    body = Body("x" * 1500, 1500)

    table = printed(
        exchange_table(
            [
                exchange(
                    "POST", "/login", 201, took=84 * MS, request=body, response=Body("ok", 2), identity=ADA
                )
            ]
        )
    )

    line = table.splitlines()[-1].split()
    assert line[1:] == ["POST", "/login", "201", "84.0", "ms", "42.0", "ms", "1.5", "kB", "2", "B", "u-1001"]


ADA = Identity(user="u-1001", email="ada@looms.example", company="looms")


def test_no_line_is_wider_than_the_console() -> None:
    """A long path is cut with an ellipsis; the numbers stay."""
    long = exchange(path="/orders/" + "7" * 300, query="api_key=REDACTED", identity=ADA)

    lines = printed(exchange_table([long]), width=100).splitlines()

    assert max(map(len, lines)) == 100
    assert "…" in lines[-1]
    assert lines[-1].endswith("u-1001")


def test_an_exchange_without_an_answer_says_so() -> None:
    """No status and no first byte: `none`, not an error of ours."""
    assert " none " in printed(exchange_table([exchange(status=None)]))


def test_the_full_view_shows_both_messages_and_what_was_masked() -> None:
    """Headers, bodies as indented JSON, who, the error, and the redactions by rule."""
    shown = printed(
        exchange_in_full(
            exchange(
                "POST",
                "/orders",
                500,
                headers=(("Authorization", "[REDACTED]"), ("Accept", "*/*")),
                request=Body(json.dumps({"card": {"number": "[REDACTED]"}}), 40),
                response=Body("Internal Server Error", 21),
                identity=ADA,
                error=Error("GatewayError", "no answer for card [REDACTED]"),
                redactions={"header": 1, "card": 2},
            )
        )
    )

    assert "POST /orders  500  12.0 ms" in shown
    assert "authorization  [REDACTED]" in shown
    assert '  "card": {"number": "[REDACTED]"}' in shown
    assert "Internal Server Error" in shown
    assert "u-1001, ada@looms.example, looms" in shown
    assert "GatewayError: no answer for card [REDACTED]" in shown
    assert "redacted  card 2  header 1" in shown


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(Body(), "no body", id="nothing"),
        pytest.param(Body("", 0), "no body", id="empty text"),
        pytest.param(Body(None, 10_700, withheld="multipart"), "10.7 kB not shown: multipart", id="withheld"),
        pytest.param(Body(b"\x89PNG", 4), "4 B of binary data", id="binary"),
        pytest.param(Body('{"a": [1', 99, truncated=True), "cut; 99 B went over the wire", id="cut"),
        pytest.param(Body('{"n":1}\n{"n":2}\n', 16), '{"n":1}\n{"n":2}\n', id="lines of JSON"),
        pytest.param(Body("[" * 9000, 9000), "[[[[", id="JSON too deep to parse"),
        pytest.param(Body("a\r\nb", 4), "a\nb\n", id="lines as HTTP likes them"),
        pytest.param(Body("[bold]not ours[/]", 17), "[bold]not ours[/]", id="markup of somebody else"),
    ],
)
def test_every_kind_of_body_has_words(body: Body, words: str) -> None:
    """What is missing is named, what is there is shown as it is."""
    shown = "\n".join(
        line.rstrip() for line in printed(exchange_in_full(exchange(response=body))).splitlines()
    )

    assert words in shown


def test_nothing_that_was_sent_can_drive_the_terminal() -> None:
    """Escape sequences and marks that turn the writing round are spelled out, everywhere."""
    nasty = "\x1b]0;owned\x07\x9b2J\u202egnp"
    evil = exchange(
        nasty,
        nasty + "\n",
        query=nasty,
        route=nasty,
        headers=(("X-" + nasty, nasty),),
        request=Body(nasty, 20),
        response=Body(json.dumps({"a": nasty}), 20),
        identity=Identity(user=nasty),
        error=Error(nasty, nasty),
        redactions={nasty: 1},
    )

    views = (exchange_table([evil]), exchange_in_full(evil), route_table([evil]))
    shown = "".join(printed(view, width=200) for view in views)

    assert not set("\x1b\x07\x9b\u202e") & set(shown)
    assert "\\x1b]0;owned\\x07\\x9b2J\\u202egnp" in shown


def test_routes_are_summed_up_by_method_and_template() -> None:
    """Percentiles are values that occurred; statuses are counted by class."""
    exchanges = [exchange(took=n * MS, status=200 if n < 20 else 503) for n in range(1, 21)]
    exchanges.append(exchange("DELETE", route=None, status=404))

    orders, nowhere = by_route(exchanges)

    assert [orders.latency(share) // MS for share in (50, 95, 100)] == [10, 19, 20]
    assert orders.statuses == {"2xx": 19, "5xx": 1}
    assert (nowhere.method, nowhere.route, nowhere.latency(95)) == ("DELETE", "(no route)", 12 * MS)


def test_the_route_table_shows_only_the_classes_that_occurred() -> None:
    """The slowest route comes first, with the longest bar."""
    table = printed(route_table([exchange(took=1 * MS), exchange("PUT", status=None, took=96 * MS)]))

    head, _, first, second = table.splitlines()
    assert head.split() == ["method", "route", "requests", "2xx", "none", "p50", "p95", "max", "p95"]
    assert first.split()[:2] == ["PUT", "/orders"]
    assert first.endswith("█" * 12)
    assert second.rstrip().endswith("▏")


def test_no_exchanges_make_empty_tables() -> None:
    """Nothing captured is nothing to show, not a traceback."""
    assert len(printed(exchange_table([])).splitlines()) == 2
    assert len(printed(route_table([])).splitlines()) == 2


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (duration(None), ""),
        (duration(839_600), "840 µs"),
        (duration(12_340_000), "12.3 ms"),
        (duration(1_240_000_000), "1.24 s"),
        (size(0), ""),
        (size(312), "312 B"),
        (size(12_400), "12.4 kB"),
        (size(3_100_000), "3.1 MB"),
    ],
)
def test_numbers_are_short_and_have_a_unit(shown: str, expected: str) -> None:
    """Three or four digits are enough to compare by eye."""
    assert shown == expected


def test_a_pipe_gets_a_hundred_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the terminal the command was typed in."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout", io.StringIO())

    assert new_console().width == 100
