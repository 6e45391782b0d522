"""`spantap tail`: the exchanges of a store as they arrive, one line each."""

from __future__ import annotations

import argparse
import os
import select
import stat
import sys
import time
from typing import Final

from spantap.cli import tail_options, tail_output
from spantap.cli.units import printable
from spantap.export.follow import Follower, StoreError
from spantap.model import SpantapError


class OutputError(SpantapError):
    """What is to be shown cannot be written."""


_PAUSE: Final = 0.25  # seconds between two looks
_PATIENCE: Final = 20  # looks that may fail in a row: five seconds


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "tail",
        help="show exchanges as they arrive in a store",
        description="Show the last exchanges of a store, then each one that arrives, until Ctrl-C.",
        epilog="An exchange is shown when all filters agree. In a GLOB, * stands for anything; re: before "
        "it makes it a regular expression.",
    )
    parser.add_argument(
        "store",
        nargs="?",
        metavar="STORE",
        help="SQLite file or JSON lines, also those a collector writes to a file; it need not exist yet "
        "(default: the one the settings name, else spantap.db)",
    )
    parser.add_argument(
        "-n", "--lines", metavar="N", default="10", help="the last N first, or all (default: %(default)s)"
    )
    parser.add_argument("--no-follow", action="store_true", help="print what is there, and end")
    _add_filters(parser.add_argument_group("filters"))
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one record a line, whole, as JSON (for jq)")
    shape.add_argument("--full", action="store_true", help="headers, bodies and all (needs rich)")
    parser.set_defaults(run=run)


def _add_filters(group: argparse._ArgumentGroup) -> None:
    for name, value, words in (
        ("method", "LIST", "such as GET or POST,PUT"),
        ("status", "LIST", "such as 404 or 4xx,none or '>=400'; none: there was no answer"),
        ("route", "GLOB", "the route, as the framework writes it: '/users/{id}' or '/users/*'"),
        ("path", "GLOB", "the path: '/users/7' or '*/orders/*'"),
        ("user", "NAME", "the user, as shown"),
        ("slower", "MS", "took so many milliseconds, or more"),
        ("service", "NAME", "the service.name"),
    ):
        group.add_argument(f"--{name}", metavar=value, help=words)
    group.add_argument("--errors", action="store_true", help="an exception, a 5xx, or no answer")


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        0 when everything was shown, or when nobody reads any more.

    Raises:
        SpantapError: a value is not allowed, the store cannot be read, or rich is missing.
    """
    options = tail_options.read(arguments)
    if not sys.stdout:  # Python has none when it was started with it closed
        raise OutputError("spantap tail: cannot write: standard output is closed")
    follow = not arguments.no_follow
    if not follow and not options.store.exists():
        raise StoreError(f"spantap: {printable(str(options.store))}: no such store")
    output = _output(arguments)
    patience = _PATIENCE if follow else 0
    with Follower(options.store, options.wanted, last=options.last, patience=patience) as store:
        try:
            _write(output.heading)
            _show(store, output, follow=follow)
        except BrokenPipeError:
            _write_no_more()
        except KeyboardInterrupt:  # in the middle of a line, perhaps, and to a pipe that is closed
            _write_no_more()
            raise
    return 0


def _output(arguments: argparse.Namespace) -> tail_output.Output:
    if arguments.json:
        return tail_output.as_json()
    return tail_output.in_full() if arguments.full else tail_output.in_lines()


def _show(store: Follower, output: tail_output.Output, *, follow: bool) -> None:
    notices = _Notices(store)
    while True:
        for exchange in store.arrived():
            _write(output.show(exchange))
        notices.give(follow=follow)
        if not follow or _nobody_reads_within(_PAUSE):
            return


class _Notices:
    """What the reader of the lines should know beside them, said once on stderr."""

    def __init__(self, store: Follower) -> None:
        self._store = store
        self._waiting: str | None = None
        self._seen_a_store = False
        self._unreadable = False

    def give(self, *, follow: bool) -> None:
        """Say what is new."""
        store = self._store
        if follow and store.waiting and store.waiting != self._waiting:
            self._say(f"{printable(str(store.path))} {self._missing()}")
        self._waiting = store.waiting
        self._seen_a_store |= store.waiting is None
        if store.unreadable and not self._unreadable:
            self._unreadable = True
            self._say("left out records that this release cannot read")

    def _missing(self) -> str:
        if self._store.waiting == "busy":
            return "cannot be read at the moment; trying again"
        if self._store.waiting == "empty":
            return "is empty; waiting for the first exchange"
        return "is gone; waiting for a new one" if self._seen_a_store else "is not there yet; waiting for it"

    def _say(self, words: str) -> None:
        print(f"spantap tail: {words}", file=sys.stderr, flush=True)


def _nobody_reads_within(seconds: float) -> bool:
    """Wait; true, and earlier, when stdout is a pipe whose other end was closed."""
    stdout = sys.stdout.fileno()
    mode = os.fstat(stdout).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)) or not hasattr(select, "poll"):
        time.sleep(seconds)
        return False
    poll = select.poll()
    poll.register(stdout, 0)  # asks for nothing: a hang-up is reported all the same
    return bool(poll.poll(seconds * 1000))


def _write(text: str) -> None:
    """Print at once: nothing may be left for rich to flush, which ends the process at a closed pipe."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _write_no_more()
        raise OutputError(f"spantap tail: cannot write: {error.strerror}") from None


def _write_no_more() -> None:
    """Let Python's last flush go nowhere, instead of ending in a complaint."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
