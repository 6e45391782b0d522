"""`spantap run -- CMD`: any command, captured, with no change to it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from opentelemetry.instrumentation import auto_instrumentation

from spantap import settings
from spantap.cli.units import printable
from spantap.model import ConfigurationError, Problem
from spantap.otel import exporters

_SQLITE: Final = f"{settings.PREFIX}SQLITE_PATH"
# As a shell has it: found but not to be executed, not found.
_NOT_EXECUTABLE: Final = 126
_NOT_FOUND: Final = 127


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run",
        help="run a command and capture its traffic",
        usage="spantap run [-h] [--db PATH] -- CMD ...",
        description="Run a command with its HTTP traffic captured: into ./spantap.db unless a store is set, "
        "and to the collector if OTEL_EXPORTER_OTLP_ENDPOINT is.",
        epilog="Everything else is as the environment and the settings file say; see `spantap doctor`.",
    )
    parser.add_argument("--db", metavar="PATH", help="the SQLite store to write")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD", help="what to run")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Become the command: same process, so signals, streams and exit status are its own.

    Returns:
        126 or 127 when it cannot be run.

    Raises:
        ConfigurationError: a setting is wrong, or there is no command.
    """
    words: list[str] = arguments.command
    if words[:1] == ["--"]:
        del words[0]
    if not words:
        raise ConfigurationError(
            [Problem("CMD", "missing", "give what to run: spantap run -- uvicorn app:app")]
        )
    environ = captured(os.environ, arguments.db)
    if sys.stderr.isatty():
        store = environ.get(_SQLITE)
        where = f" into {printable(os.path.relpath(store))}" if store else ""
        print(f"spantap: capturing{where}; `spantap tail` shows it", file=sys.stderr)
    sys.stdout.flush()
    try:
        os.execvpe(words[0], words, environ)  # noqa: S606 - running it is what the user asked for
    except OSError as error:
        print(f"spantap run: {printable(words[0])}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE


def captured(environ: Mapping[str, str], store: str | None = None) -> dict[str, str]:
    """The environment in which a Python program is captured. What is set in it already stays.

    Args:
        environ: the environment so far.
        store: the SQLite file to write; None is the one that is set, else ./spantap.db unless
            another store is set.

    Raises:
        ConfigurationError: listing every mistake in the settings.
    """
    made = dict(environ)
    if store is not None:
        made[_SQLITE] = str(Path(store).absolute())
    loaded = settings.load({}, made)
    stores = {"spantap_sqlite", "spantap_jsonl"}.intersection(exporters.named(made) or ())
    if loaded.sqlite_path is None and loaded.jsonl_path is None and not stores:
        made[_SQLITE] = str(Path(exporters.DEFAULT_SQLITE).absolute())
        settings.load({}, made)  # whether it can be written
    for name in ("OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"):
        made.setdefault(name, "spantap")
    # Python imports `sitecustomize` from there at its start. Unlike `opentelemetry-instrument` we do
    # not put the working directory on the path too: what the command can import stays as it was.
    hook = str(Path(auto_instrumentation.__file__).parent)
    paths = [each for each in made.get("PYTHONPATH", "").split(os.pathsep) if each and each != hook]
    made["PYTHONPATH"] = os.pathsep.join([hook, *paths])
    return made
