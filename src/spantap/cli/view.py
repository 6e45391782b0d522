"""Exchanges in a terminal, as tables: one line each, and one line for each route."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spantap.cli.units import clock, duration, printable, size
from spantap.codec.attributes import asked_for
from spantap.export.search import who
from spantap.model import Exchange

REDACTED = "bold magenta"
NO_ROUTE = "(no route)"
CLASSES = {
    "1xx": "dim",
    "2xx": "green",
    "3xx": "cyan",
    "4xx": "yellow",
    "5xx": "bold red",
    "none": "bold red",
}
_BAR = 12


def new_console() -> Console:
    """The terminal, used up to 120 columns; 100 columns and no colour where there is none."""
    console = Console(highlight=False)
    console.width = min(console.width, 120) if console.is_terminal else 100
    return console


def exchange_table(exchanges: Iterable[Exchange]) -> Table:
    """One line for each exchange, in the order given."""
    table = _table()
    table.add_column("time", style="dim", no_wrap=True)
    table.add_column("method", no_wrap=True)
    table.add_column("path", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("status", justify="right", no_wrap=True)
    for name in ("duration", "1st byte", "request", "response"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("user", no_wrap=True)
    for each in exchanges:
        table.add_row(
            clock(each.timing.start),
            method(each),
            _target_and_error(each),
            status(each),
            duration(each.timing.duration),
            Text(duration(_until_first_byte(each)), style="dim"),
            size(each.request.body.size),
            size(each.response.body.size),
            Text(printable(who(each.identity)), style="blue"),
        )
    return table


def route_table(exchanges: Iterable[Exchange]) -> Table:
    """Latency and status classes of each route, the slowest first."""
    routes = sorted(by_route(exchanges), key=lambda route: route.latency(95), reverse=True)
    classes = [name for name in CLASSES if any(route.statuses[name] for route in routes)]
    table = _table()
    table.add_column("method", style="bold", no_wrap=True)
    table.add_column("route", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("requests", justify="right", no_wrap=True)
    for name in classes:
        table.add_column(name, justify="right", style=CLASSES[name], no_wrap=True)
    for name in ("p50", "p95", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(" p95", style="blue", no_wrap=True, width=_BAR + 1)
    for each in routes:
        table.add_row(
            Text(printable(each.method)),
            Text(printable(each.route), style="dim" if each.route == NO_ROUTE else ""),
            str(len(each.durations)),
            *(str(each.statuses[name] or "") for name in classes),
            *(duration(each.latency(share)) for share in (50, 95, 100)),
            " " + _bar(each.latency(95), routes[0].latency(95)),
        )
    return table


@dataclass(slots=True)
class Route:
    """What happened on one route.

    Attributes:
        method, route: its name.
        durations: nanoseconds, one for each exchange.
        statuses: status class -> how many.
    """

    method: str
    route: str
    durations: list[int] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def latency(self, share: int) -> int:
        """The shortest duration that ``share`` per cent of the exchanges did not exceed.

        Args:
            share: 1 to 100.
        """
        ordered = sorted(self.durations)
        return ordered[-(-len(ordered) * share // 100) - 1]


def by_route(exchanges: Iterable[Exchange]) -> list[Route]:
    """The exchanges summed up by method and route, in the order they were met."""
    routes: dict[tuple[str, str], Route] = {}
    for each in exchanges:
        name = (each.request.method, each.route or NO_ROUTE)
        route = routes.setdefault(name, Route(*name))
        route.durations.append(each.timing.duration)
        route.statuses[status_class(each)] += 1
    return list(routes.values())


def method(exchange: Exchange) -> Text:
    """The method; with an arrow when it was we who sent the request."""
    arrow = "→ " if exchange.direction == "outbound" else ""
    return Text(arrow + printable(exchange.request.method), style="bold")


def target(exchange: Exchange) -> Text:
    """Path and query, after the host if it was we who sent the request; redactions marked."""
    request = exchange.request
    text = Text(printable(asked_for(exchange)))
    if request.query:
        text.append(printable(f"?{request.query}"), style="dim")
    text.highlight_regex(r"(?<==)REDACTED\b", REDACTED)
    return text


def status(exchange: Exchange) -> Text:
    """The status code in the colour of its class; ``none`` when the app never answered."""
    code = exchange.response.status
    return Text("none" if code is None else str(code), style=CLASSES.get(status_class(exchange), "dim"))


def status_class(exchange: Exchange) -> str:
    """``2xx`` and so on; ``none`` when the app never answered."""
    code = exchange.response.status
    return "none" if code is None else f"{code // 100}xx"


def _target_and_error(exchange: Exchange) -> Text:
    text, error = target(exchange), exchange.error
    if error is not None and error.type != str(exchange.response.status):
        text.append(f"  {printable(error.type.rpartition('.')[2])}", style="red")
    return text


def _until_first_byte(exchange: Exchange) -> int | None:
    first = exchange.timing.first_byte
    return None if first is None else max(0, first - exchange.timing.start)


def _bar(value: int, longest: int) -> str:
    eighths: int = max(1, round(8 * _BAR * value / max(1, longest)))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].rstrip()


def _table() -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=0,
        expand=True,
        header_style="bold dim",
    )
