"""`spantap demo`: a shop, some traffic with secrets in it, and what spantap kept of it.

The shop runs in this process for as long as the traffic lasts; afterwards nothing is left but
the store.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from spantap.model import Exchange

if TYPE_CHECKING:
    from spantap.cli.demo_report import Outcome

SERVICE = "spantap-demo-shop"
NEEDS = {  # what pip calls it -> what Python may call it
    "fastapi": ("fastapi",),
    "uvicorn": ("uvicorn",),
    "httpx": ("httpx",),
    "rich": ("rich",),
    "python-multipart": ("python_multipart", "multipart"),
}
_PATIENCE = 3.0  # seconds for what was captured to reach the store and the collector


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    summary = "serve a small shop, send it real traffic, and show what was captured"
    parser = commands.add_parser("demo", help=summary, description=f"{summary.capitalize()}.")
    parser.add_argument(
        "--store",
        type=Path,
        metavar="PATH",
        default=Path(os.environ.get("OTEL_PYTHON_SPANTAP_SQLITE_PATH") or "spantap.db"),
        help="the SQLite file to write (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        0 when every request sent was captured once, 1 when not, 2 when the extra is missing.
    """
    missing = missing_packages()
    if missing:
        print(f"spantap demo needs {', '.join(missing)}: pip install 'spantap[demo]'", file=sys.stderr)
        return 2
    from spantap.cli.demo_report import show
    from spantap.cli.view import new_console

    console = new_console()
    with console.status("a shop opens, and its customers come in ..."):
        outcome = play(arguments.store)
    show(console, outcome)
    return 0 if outcome.complete else 1


def missing_packages() -> list[str]:
    """What the `demo` extra would install and is not here, by the names pip knows."""
    return [name for name, modules in NEEDS.items() if not any(map(find_spec, modules))]


def play(db: Path) -> Outcome:
    """Serve the shop, send the traffic, stop, and read back what was captured."""
    import spantap
    from spantap.cli.demo_report import Outcome
    from spantap.cli.serving import serving
    from spantap.cli.shop import app
    from spantap.cli.traffic import open_for_business

    service = os.environ.setdefault("OTEL_SERVICE_NAME", SERVICE)
    began = time.time_ns()
    handle = spantap.configure(sqlite_path=str(db))
    try:
        with serving(spantap.instrument_app(app)) as shop:
            sent = asyncio.run(open_for_business(shop))
    finally:
        handle.shutdown(_PATIENCE)
    otlp = handle.stats().destinations.get("otlp")
    return Outcome(
        shop=shop,
        db=db,
        sent=len(sent),
        captured=captured_since(began, service, db),
        spans=otlp.captured if otlp else 0,
        delivered=otlp.exported if otlp else 0,
    )


def captured_since(began: int, service: str, db: Path) -> list[Exchange]:
    """The store's exchanges of one service from a moment on, oldest first."""
    from spantap.export.search import Filter
    from spantap.export.sqlite import SQLiteSink

    if not db.exists():  # nothing was captured
        return []
    return SQLiteSink(db).read(10_000, Filter(since=began, service=service))[::-1]
