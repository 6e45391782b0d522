"""`spantap doctor`: what is in force here, what would be captured, what answers, and what was lost."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path

import orjson

from spantap.cli.units import printable

_UNWELL = 1


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "doctor",
        help="tell what is in force, what answers and what was lost",
        description="Tell every setting in force and who set it, which distro and instrumentations win, what "
        "is captured, which destinations answer, and what running processes captured and lost.",
        epilog="Exit status: 0 all well, 1 something is wrong, 2 a setting is wrong. No secret is shown. "
        "Run it where the app runs: same directory, same environment, same virtual environment.",
    )
    parser.add_argument(
        "store",
        nargs="?",
        metavar="STORE",
        help="the SQLite file whose writers to ask (default: the one the settings name, else spantap.db)",
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Examine, print, and say whether all is well.

    Returns:
        0 when nothing is wrong, else 1.

    Raises:
        ConfigurationError: listing every mistake in the settings; nothing else is looked at.
    """
    # Only now: the other commands need not wait for it.
    from spantap.cli.doctor_findings import examine
    from spantap.cli.doctor_text import lines

    findings = examine(os.environ, None if arguments.store is None else Path(arguments.store))
    if arguments.json:
        sys.stdout.write(orjson.dumps(asdict(findings), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        for line in lines(findings, terminal=sys.stdout.isatty()):
            print(printable(line, keep="\x1b"))
    return _UNWELL if findings.problems else 0
