"""What `spantap demo` prints when the shop has closed."""

from __future__ import annotations

import os
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from spantap.cli.detail import exchange_in_full
from spantap.cli.view import exchange_table, route_table
from spantap.model import Exchange

QUERY = "SELECT path, status, record FROM exchanges ORDER BY start DESC LIMIT 5"

WITH_A_COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 spantap demo"
IN_AN_APP = """\
import spantap
from fastapi import FastAPI

spantap.configure()
app = spantap.instrument_app(FastAPI())
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo did.

    Attributes:
        shop: the base URL it was served on.
        db: the SQLite file.
        sent: requests sent and answered.
        captured: what the store has of this run, oldest first.
        spans: meant for the collector; 0 without one.
        delivered: those that the collector took.
    """

    shop: str
    db: Path
    sent: int
    captured: Sequence[Exchange]
    spans: int = 0
    delivered: int = 0

    @property
    def complete(self) -> bool:
        """As many exchanges in the store as requests were sent."""
        return len(self.captured) == self.sent


def show(console: Console, outcome: Outcome) -> None:
    """Print everything there is to see."""
    console.print(_opening(outcome))
    if outcome.captured:
        _title(console, "What went over the wire")
        console.print(exchange_table(outcome.captured))
        _title(console, "One exchange in full, as it was stored")
        console.print(exchange_in_full(most_redacted(outcome.captured)))
        _title(console, "Latency and status by route")
        console.print(route_table(outcome.captured))
    _title(console, "Where it is, and what to do next")
    console.print(_places(outcome))
    for words, language, code in _next_steps(outcome.db):
        console.print("", words, sep="\n")
        # Not wrapped: a line that is longer than the terminal can still be copied.
        console.print(_code(code, language), soft_wrap=True)


def most_redacted(exchanges: Sequence[Exchange]) -> Exchange:
    """The exchange in which the most kinds of secrets were masked."""
    return max(exchanges, key=lambda each: (len(each.redactions), sum(each.redactions.values())))


def _title(console: Console, words: str) -> None:
    console.print("", Rule(Text(words, style="bold"), align="left", style="dim"), "", sep="\n")


def _opening(outcome: Outcome) -> Text:
    return Text.assemble(
        ("spantap demo", "bold"),
        f"  A FastAPI shop ran at {outcome.shop} and its customers sent it {outcome.sent} requests, ",
        "with passwords, tokens and card numbers in them. It is closed now; here is what spantap kept.",
    )


def _places(outcome: Outcome) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("counted", _count(outcome))
    grid.add_row("stored in", str(outcome.db))
    if outcome.spans:
        grid.add_row("sent to", _deliveries(outcome))
    return grid


def _count(outcome: Outcome) -> Text:
    counts = f"sent {outcome.sent} requests, captured {len(outcome.captured)}"
    if outcome.complete:
        return Text(counts, style="bold green")
    hint = ": they should be equal; does an OTEL_... variable leave some out?"
    return Text(counts + hint, style="bold red")


def _deliveries(outcome: Outcome) -> Text:
    where = f"{otlp_endpoint()} over OTLP, {outcome.delivered} spans"
    lost = outcome.spans - outcome.delivered
    return Text.assemble(where, (f"; {lost} were not accepted", "bold red") if lost else "")


def otlp_endpoint() -> str | None:
    """Where the environment sends traces, without a password; None when it says nothing."""
    for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        url = os.environ.get(name, "").strip()
        if url:
            parts = urlsplit(url)
            return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    return None


def _next_steps(db: Path) -> Iterator[tuple[str, str, str]]:
    yield "Look at it again:", "bash", f'sqlite3 {shlex.quote(str(db))} "{QUERY}"'
    yield "Send it to an OpenTelemetry collector as well:", "bash", WITH_A_COLLECTOR
    yield (
        "Capture an app of yours (FastAPI, Starlette, Flask, Django, any ASGI or WSGI):",
        "python",
        IN_AN_APP,
    )


def _code(code: str, language: str) -> Text:
    text = Syntax("", language, background_color="default").highlight(textwrap.indent(code, "    "))
    text.rstrip()
    return text
