"""`spantap run -- CMD`: any command, captured, with no change to it."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from spantap.cli.units import printable
from spantap.export.files import why_not_writable
from spantap.export.follow_sqlite import BEGINNING
from spantap.model import ConfigurationError, Problem

# As a shell has it: found but not to be executed, not found.
_NOT_EXECUTABLE: Final = 126
_NOT_FOUND: Final = 127
_JSON_LINES: Final = (".jsonl", ".ndjson")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run",
        help="run a command and capture its traffic",
        usage="spantap run [-h] [--store PATH] -- CMD ...",
        description="Run a command with its HTTP traffic captured: into ./spantap.db unless another store is "
        "set, and to the collector if OTEL_EXPORTER_OTLP_ENDPOINT is.",
        epilog="Everything else is as the environment and the settings file say. CMD has to run in the "
        "Python environment in which spantap is installed.",
    )
    parser.add_argument(
        "--store",
        metavar="PATH",
        help="the store to write: a SQLite file, or JSON lines if it ends in .jsonl",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD", help="what to run")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Become the command: same process, so signals, streams and exit status are its own.

    Returns:
        126 or 127 when it cannot be run.

    Raises:
        ConfigurationError: a setting is wrong, or there is no command; nothing was started.
    """
    words: list[str] = arguments.command
    if words[:1] == ["--"]:
        del words[0]
    if not words or not words[0]:
        raise ConfigurationError(
            [Problem("CMD", "missing", "give what to run: spantap run -- uvicorn app:app")]
        )
    environ, store = captured(os.environ, arguments.store)
    if store is not None and sys.stderr.isatty():
        where = printable(shlex.quote(os.path.relpath(store)))
        print(f"spantap: capturing into {where}; to watch: spantap tail {where}", file=sys.stderr)
    sys.stdout.flush()
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores them, and a new program would inherit that
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(words[0], words, environ)  # noqa: S606 - running it is what the user asked for
    except OSError as error:
        status, why = _not_run(words[0], error, environ.get("PATH"))
        print(f"spantap run: {printable(words[0])}: {why}", file=sys.stderr)
        return status


def captured(environ: Mapping[str, str], store: str | None = None) -> tuple[dict[str, str], Path | None]:
    """The environment in which a Python program is captured. What is set in it already stays.

    Args:
        environ: the environment so far.
        store: the file to write; None is the one that is set, else ./spantap.db, unless
            ``OTEL_TRACES_EXPORTER`` lists something else than OTLP.

    Returns:
        The environment, and the store if one is known.

    Raises:
        ConfigurationError: listing every mistake in the settings.
    """
    # Only now: the other commands need not wait for it.
    from spantap import settings
    from spantap.otel import exporters

    made = dict(environ)
    problems: list[Problem] = []

    def write_to(path: Path, given: str) -> None:
        lines = path.suffix in _JSON_LINES
        reason = why_not_writable(path) or _why_not_this_kind(path, lines=lines)
        if reason is not None:
            problems.append(Problem("--store", given, reason))
        else:
            made[f"{settings.PREFIX}{'JSONL' if lines else 'SQLITE'}_PATH"] = str(path.absolute())

    path = None if store is None else Path(store).expanduser()
    if path is not None:
        write_to(path, repr(store))
    try:
        loaded = settings.load({}, made)
    except ConfigurationError as error:
        raise ConfigurationError([*problems, *error.problems]) from None
    path = path or loaded.sqlite_path or loaded.jsonl_path
    listed = exporters.named(made)
    if path is None and (listed is None or (listed and exporters.OTLP.issuperset(listed))):
        path = Path(exporters.DEFAULT_SQLITE)
        write_to(path, f"./{path} (default)")
    if problems:
        raise ConfigurationError(problems)
    for name in ("OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"):
        made[name] = made.get(name) or "spantap"
    made["PYTHONPATH"] = _with_hook(made.get("PYTHONPATH", ""))
    return made, path


def _why_not_this_kind(path: Path, *, lines: bool) -> str | None:
    """Why what is there already is not to be written: it is of another kind. None when it is not."""
    if path.exists() and not path.is_file():
        return None if lines else "is a pipe or a device; give the path of a file"
    try:
        with path.open("rb") as file:
            beginning = file.read(len(BEGINNING))
    except OSError:
        return None  # not there, or write-only: no reason not to write it
    if lines:
        return "is a SQLite file; give another path" if beginning == BEGINNING else None
    if beginning in (b"", BEGINNING):
        return None
    return "is there and no SQLite file; give another path, or one that ends in .jsonl for JSON lines"


def _with_hook(python_path: str) -> str:
    """The path with OpenTelemetry's `sitecustomize` in front, which Python imports at its start.

    Unlike `opentelemetry-instrument` we do not put the working directory on it too: what the
    command can import stays as it was.
    """
    from opentelemetry.instrumentation import auto_instrumentation

    hook = str(Path(auto_instrumentation.__file__).parent)
    paths = python_path.split(os.pathsep) if python_path else []
    return os.pathsep.join([hook, *(each for each in paths if each != hook)])


def _not_run(word: str, error: OSError, path: str | None) -> tuple[int, str]:
    """The exit status and the reason."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return _NOT_EXECUTABLE, str(error.strerror)
    if shutil.which(word, path=path) is not None:
        return _NOT_EXECUTABLE, "the interpreter in its first line is not there"
    beside = Path(sys.executable).parent / word
    if os.sep not in word and word and beside.is_file():
        return _NOT_FOUND, f"not found on PATH; there is {printable(str(beside))}"
    return _NOT_FOUND, "not found"
