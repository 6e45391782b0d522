"""The ways `spantap tail` shows an exchange, each as text that ends with a newline."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from spantap.cli.tail_lines import Layout, plain
from spantap.cli.units import clock, printable
from spantap.codec.jsonl import to_line
from spantap.model import Exchange, SpantapError

_WIDEST: Final = 120
_PIPE: Final = 100


class MissingPackageError(SpantapError):
    """What was asked for needs a package that is not installed."""


@dataclass(frozen=True, slots=True)
class Output:
    """A way to show exchanges.

    Attributes:
        show: the text of an exchange.
        heading: what to print before the first one.
    """

    show: Callable[[Exchange], str]
    heading: str = ""


def as_json() -> Output:
    """One native record a line, as the JSON lines store writes them."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as JSON is, whatever the terminal's
    return Output(json_line)


def in_full() -> Output:
    """Everything that was kept of each exchange.

    Raises:
        MissingPackageError: without rich.
    """
    if find_spec("rich") is None:
        raise MissingPackageError("spantap tail --full needs rich: pip install rich")
    from rich.rule import Rule
    from rich.text import Text

    from spantap.cli.detail import exchange_in_full
    from spantap.cli.view import new_console

    console = new_console()

    def show(exchange: Exchange) -> str:
        with console.capture() as printed:
            time = Text(clock(exchange.timing.start), style="bold")
            console.print(Rule(time, align="left", style="dim"), exchange_in_full(exchange), "", sep="\n")
        return printed.get()

    return Output(show)


def in_lines() -> Output:
    """One line each: coloured and cut to its width in a terminal, whole and plain elsewhere."""
    if find_spec("rich") is not None:
        coloured = _in_colours()
        if coloured is not None:
            return coloured
    terminal = sys.stdout.isatty()
    columns = min(shutil.get_terminal_size().columns, _WIDEST) if terminal else _PIPE
    layout = Layout(columns, cut=terminal)
    heading = f"{layout.heading()}\n" if terminal else ""
    return Output(lambda exchange: f"{plain(layout.line(exchange))}\n", heading)


def _in_colours() -> Output | None:
    """The lines of a terminal; None when there is none."""
    from rich.text import Text

    from spantap.cli.view import CLASSES, REDACTED, new_console

    console = new_console()
    if not console.is_terminal:
        return None
    layout = Layout(console.width, cut=True)
    styles = {
        **dict.fromkeys(("time", "query", "1st byte"), "dim"),
        "method": "bold",
        "error": "red",
        "user": "blue",
        **CLASSES,
    }

    def printed(text: Text) -> str:
        with console.capture() as captured:
            console.print(text, soft_wrap=True)
        return captured.get()

    def show(exchange: Exchange) -> str:
        pieces = layout.line(exchange)
        text = Text.assemble(*((each.text, styles.get(each.kind, "")) for each in pieces))
        text.highlight_regex(r"(?<==)REDACTED\b", REDACTED)
        text.rstrip()
        return printed(text)

    return Output(show, printed(Text(layout.heading(), style="bold dim")))


def json_line(exchange: Exchange) -> str:
    """The record as one line of JSON, in which no character can drive a terminal."""
    line = to_line(exchange).decode().removesuffix("\n")
    if not line.isprintable():  # JSON spells out only what is below U+0020
        line = "".join(each if printable(each) == each else f"\\u{ord(each):04x}" for each in line)
    return f"{line}\n"
