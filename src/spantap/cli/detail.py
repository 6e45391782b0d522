"""One exchange in a terminal, in full: both messages, who was behind it, what was redacted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.highlighter import JSONHighlighter
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from spantap.cli.units import duration, printable, size
from spantap.cli.view import REDACTED, method, status, target
from spantap.model import Body, Exchange, Headers

_FITS = 72  # characters a line of JSON may have before it is broken up
_MARK = r"\[REDACTED\]|(?<==)REDACTED\b"


def exchange_in_full(exchange: Exchange) -> RenderableType:
    """Everything that was kept of an exchange, top to bottom as it went over the wire."""
    request, response = exchange.request, exchange.response
    return Group(
        _headline(exchange),
        Padding(_facts(exchange), (1, 0, 0, 0)),
        _half("request", request.headers, request.headers_dropped, request.body),
        _half("response", response.headers, response.headers_dropped, response.body),
        Padding(_redactions(exchange.redactions), (1, 0, 0, 0)),
    )


def _headline(exchange: Exchange) -> Text:
    took = Text(duration(exchange.timing.duration), style="dim")
    return Text("  ").join([method(exchange) + " " + target(exchange), status(exchange), took])


def _facts(exchange: Exchange) -> Table:
    grid = _grid()
    for name, value in _named_facts(exchange):
        grid.add_row(name, printable(value))
    return grid


def _named_facts(exchange: Exchange) -> Iterator[tuple[str, str]]:
    identity, error = exchange.identity, exchange.error
    route = (exchange.route, exchange.endpoint and f"({exchange.endpoint})")
    if any(route):
        yield "route", " ".join(part for part in route if part)
    people = (identity.user or identity.user_hash, identity.email, identity.company)
    if any(people):
        yield "who", ", ".join(part for part in people if part)
    if identity.session:
        yield "session", identity.session
    if identity.device:
        yield "device", identity.device
    if error:
        yield "error", error.type + (f": {error.message}" if error.message else "")
    if exchange.incomplete:
        yield "incomplete", exchange.incomplete
    if exchange.capture_reason:
        yield "kept", f"{exchange.capture_reason}, for {exchange.weight:g}"
    own = {**exchange.metadata, **exchange.metrics}
    if own:
        yield "facts", ", ".join(f"{name} {_short(value)}" for name, value in own.items())
    yield "trace", f"{exchange.trace_id} span {exchange.span_id}"


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _half(name: str, headers: Headers, dropped: int, body: Body) -> RenderableType:
    grid = _grid("cyan")
    for field, values in headers.items():
        for value in values:
            grid.add_row(printable(field), _marked(Text(printable(value))))
    if dropped:
        grid.add_row("", Text(f"{dropped} more left out", style="dim italic"))
    return Group(
        Padding(Text(name, style="bold"), (1, 0, 0, 0)),
        grid,
        Padding(_body(body), (1, 0, 0, 0)),
    )


def _body(body: Body) -> Text:
    if not body.content and not body.size:
        return Text("no body", style="dim italic")
    if body.content is None:
        return Text(f"{size(body.size)} not shown: {body.withheld or 'not kept'}", style="dim italic")
    if isinstance(body.content, bytes):
        return Text(f"{size(body.size)} of binary data", style="dim italic")
    json_text = _indented(body.content)
    text = Text(printable(json_text or body.content.replace("\r\n", "\n").rstrip(), keep="\n\t"))
    if json_text:
        JSONHighlighter().highlight(text)
    _marked(text)
    if body.truncated:
        text.append(f"\n… cut; {size(body.size)} went over the wire", style="dim italic")
    return text


def _indented(content: str) -> str | None:
    """JSON laid out for reading; None for anything else."""
    try:
        value = json.loads(content)
        return _laid_out(value) if isinstance(value, dict | list) else None
    except (ValueError, RecursionError):
        return None


def _laid_out(value: object, margin: str = "") -> str:
    """Two spaces a level; what is inside the outermost brackets stays on one line if it fits."""
    one_line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (margin and len(margin + one_line) < _FITS):
        return one_line
    inner = margin + "  "
    if isinstance(value, dict):
        pairs = ((json.dumps(name, ensure_ascii=False) + ": ", each) for name, each in value.items())
        items, (left, right) = [inner + name + _laid_out(each, inner) for name, each in pairs], "{}"
    else:
        items, (left, right) = [inner + _laid_out(each, inner) for each in value], "[]"
    return "\n".join([left, ",\n".join(items), margin + right])


def _redactions(counts: Mapping[str, int]) -> Text:
    if not counts:
        return Text("nothing redacted", style="dim italic")
    rules = [
        Text.assemble((printable(rule), REDACTED), f" {count}") for rule, count in sorted(counts.items())
    ]
    return Text("  ").join([Text("redacted", style="bold"), *rules])


def _marked(text: Text) -> Text:
    text.highlight_regex(_MARK, REDACTED)
    return text


def _grid(names: str = "dim") -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style=names, no_wrap=True)
    grid.add_column(overflow="fold")
    return grid
