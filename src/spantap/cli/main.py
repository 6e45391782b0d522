"""The `spantap` command: finds the command that was typed and runs it.

A command is a module with `add(commands)`, which declares its parser and sets ``run``; it
imports what its extra brings only when it runs. To add one: write the file, name it in `COMMANDS`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Sequence

from spantap.cli import demo, doctor, redact, run, tail
from spantap.cli.units import printable
from spantap.model import SpantapError
from spantap.version import __version__

COMMANDS = (demo, run, tail, redact, doctor)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="spantap",
        description="See what really went over the wire: whole HTTP exchanges, clean of secrets.",
    )
    top.add_argument("--version", action="version", version=f"spantap {__version__}")
    top.set_defaults(run=None)
    commands = top.add_subparsers(title="commands", metavar="")
    for command in COMMANDS:
        command.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after ``spantap``; those of this process when None.

    Returns:
        The exit status: 0 done, 1 the command found something wrong, 2 it could not start.
    """
    _never_fail_to_print()
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.run is None:
        top.print_help()
        return 0
    try:
        status: int = arguments.run(arguments)
    except SpantapError as error:
        print(printable(str(error), keep="\n"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status


def _never_fail_to_print() -> None:
    """Show ``?`` for what the terminal's encoding lacks, rather than end in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):  # detached or closed: nothing to print on
                stream.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
