"""`spantap redact`: what redaction makes of a body, a message or a record, and where it hit."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from spantap.cli.units import printable
from spantap.model import SpantapError

if TYPE_CHECKING:
    from spantap.cli.redact_message import Cleaned
    from spantap.cli.redact_places import Place


class InputError(SpantapError):
    """What is to be cleaned cannot be read."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "redact",
        help="clean a body or a message, and tell where something was masked",
        description="Print a body, a raw HTTP message (request or status line, headers, body) or records of "
        "exchanges (JSON lines) without their secrets, by the settings in force here.",
        epilog="Exit status: 0 done, also if something is withheld (stderr says why); 2 it cannot start.",
    )
    parser.add_argument("file", metavar="FILE", help="what to clean; - for standard input")
    parser.add_argument(
        "--content-type",
        metavar="TYPE",
        help="the file is a body of this Content-Type (default: told by its name, else by how it begins)",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="also print a table: where something was masked, which rule hit, how often",
    )
    parser.add_argument("--json", action="store_true", help="text and table as one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Clean and print.

    Returns:
        0.

    Raises:
        SpantapError: the file cannot be read, or a setting is wrong.
    """
    # Only now: the other commands need not wait for it.
    from spantap import hash_key, parts, settings
    from spantap.cli.redact_message import LONGEST, clean

    wanted = settings.read({}, os.environ).settings
    hasher = None if wanted.hash_key_url else hash_key.hasher_of(wanted)[0]  # this asks nobody for a key
    redactor = parts.redactor_of(wanted, hasher)
    name = arguments.file
    data = _read(name, LONGEST)
    cleaned = clean(data, redactor, arguments.content_type, "" if name == "-" else name)
    for what, why in cleaned.withheld.items():
        print(f"spantap redact: {what} withheld: {why}", file=sys.stderr)
    try:
        for text in _shown(cleaned, arguments):
            print(text)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _shown(cleaned: Cleaned, arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.json:
        text = orjson.dumps(asdict(cleaned), option=orjson.OPT_INDENT_2).decode()
        yield "".join(each if printable(each, "\n") == each else f"\\u{ord(each):04x}" for each in text)
        return
    if cleaned.content is not None:
        yield printable(cleaned.content.replace("\r\n", "\n").removesuffix("\n"), keep="\n\t")
    if arguments.explain:
        yield from ["", *_table(cleaned.places, cleaned.withheld)]


def _read(name: str, most: int) -> bytes:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(most + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "cannot be read"
        raise InputError(f"spantap redact: {name}: {reason}") from None
    if len(data) > most:
        raise InputError(f"spantap redact: {name}: longer than {most >> 20} MiB")
    return data


def _table(places: list[Place], withheld: dict[str, str]) -> Iterator[str]:
    rows = [("place", "rule", "times")]
    rows += [(each.where, each.rule, str(each.count)) for each in places]
    rows += [(what, f"withheld: {why}", "") for what, why in withheld.items()]
    if len(rows) == 1:
        yield "nothing was masked"
        return
    widths = [max(len(printable(row[column])) for row in rows) for column in (0, 1)]
    for where, rule, times in rows:
        yield f"{printable(where):<{widths[0]}}  {rule:<{widths[1]}}  {times:>5}".rstrip()
