"""Every setting, one row: name, type, default, and a sentence.

In the environment a setting is ``OTEL_PYTHON_SPANTAP_<NAME>``, in code the keyword of the same
name in lower case. Keyword arguments win over the environment, the environment over defaults.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from opentelemetry.trace import TracerProvider

from spantap.export.files import why_not_writable
from spantap.export.sink import Sink
from spantap.model import ConfigurationError, Problem
from spantap.otel import exporters, otlp
from spantap.policy.decide import Unsampled
from spantap.policy.presets import PRESETS
from spantap.policy.select import DEFAULT_EXCLUDED_METHODS, InvalidPatternError, Selection

PREFIX: Final = "OTEL_PYTHON_SPANTAP_"


class NotAllowedError(ValueError):
    """A value a setting does not take; the message says what it takes."""


def _flag(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    raise NotAllowedError("use true or false")


def _whole(lowest: int, highest: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        try:
            number = int(str(value).strip())
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= highest or isinstance(value, bool):
            raise NotAllowedError(f"use a whole number from {lowest} to {highest}")
        return number

    return parse


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        raise NotAllowedError("use a comma-separated list, in code a sequence of strings")
    return tuple(each.strip() for each in value if each.strip())


def _patterns(value: Any) -> tuple[str, ...]:
    patterns = _words(value)
    try:
        Selection(include=patterns)
    except InvalidPatternError as error:
        raise NotAllowedError(f"{error}; use globs (/api/*) or re:<RE2 expression>") from None
    return patterns


def _one_of(*choices: str) -> Callable[[Any], Any]:
    def parse(value: Any) -> str:
        word = str(value).strip().lower()
        if word not in choices:
            raise NotAllowedError(f"use one of {', '.join(choices)}{_did_you_mean(word, choices)}")
        return word

    return parse


def _file(value: Any) -> Path | None:
    if value is None:
        return None
    path = Path(str(value)).expanduser()
    reason = why_not_writable(path)
    if reason is not None:
        raise NotAllowedError(reason)
    return path


def _sinks(value: Any) -> tuple[Sink, ...]:
    sinks = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    for sink in sinks:
        if not all(hasattr(sink, name) for name in ("name", "target", "write", "close")):
            raise NotAllowedError(
                "use objects with name, target, write() and close(), such as SQLiteSink(path)"
            )
    return sinks


def _provider(value: Any) -> TracerProvider | None:
    if value is not None and not hasattr(value, "get_tracer"):
        raise NotAllowedError("use a TracerProvider")
    return value  # type: ignore[no-any-return]


def _row(default: Any, parse: Callable[[Any], Any], doc: str, *, in_code_only: bool = False) -> Any:
    return field(default=default, metadata={"parse": parse, "doc": doc, "in_code_only": in_code_only})


@dataclass(frozen=True)
class Settings:
    """All settings, checked. Build it with `load`."""

    preset: str = _row(
        "default",
        _one_of(*PRESETS),
        "How much to capture: default (16 KiB of each body), portable (2 KiB), full (64 KiB), "
        "metadata (no bodies, headers or query).",
    )
    body_max_bytes: int | None = _row(
        None, _whole(0, 16 * 1024 * 1024), "Decoded bytes kept of each body; the preset's when not set."
    )
    request_bodies: bool = _row(True, _flag, "Whether request bodies are captured.")
    response_bodies: bool = _row(True, _flag, "Whether response bodies are captured.")
    headers: bool = _row(True, _flag, "Whether headers are captured, redacted.")
    query: bool = _row(True, _flag, "Whether query strings are captured, redacted.")
    include_urls: tuple[str, ...] = _row(
        (), _patterns, "Capture only paths that match one of these globs or re: expressions."
    )
    exclude_urls: tuple[str, ...] = _row(
        (), _patterns, "Never capture paths that match one of these; beats INCLUDE_URLS."
    )
    exclude_methods: tuple[str, ...] = _row(
        DEFAULT_EXCLUDED_METHODS, _words, "Never capture requests with these methods."
    )
    redact_keys: tuple[str, ...] = _row(
        (), _words, "Further names whose values are masked in bodies, queries, headers and cookies."
    )
    keep_keys: tuple[str, ...] = _row((), _words, "Names that stay readable although they look sensitive.")
    capture_unsampled: Unsampled = _row(
        "own",
        _one_of("own", "all", "none"),
        "Exchanges of unsampled traces go to stores only (own), to OTLP too (all), or nowhere (none).",
    )
    live_bodies: bool = _row(
        True, _flag, "On a tracer provider of the app's own, write clean bodies on the live span too."
    )
    sqlite_path: Path | None = _row(
        None, _file, "SQLite file to store exchanges in; ./spantap.db when no destination is set at all."
    )
    jsonl_path: Path | None = _row(None, _file, "File to append exchanges to, one JSON line each.")
    queue_max_bytes: int = _row(
        64 * 1024 * 1024, _whole(64 * 1024, 16 * 1024**3), "Bytes all queues of a process may hold together."
    )
    queue_max_items: int = _row(10_000, _whole(1, 10_000_000), "Spans each destination's queue may hold.")
    debug: bool = _row(False, _flag, "Log what spantap does (never values) to the logger `spantap`.")
    destinations: tuple[Sink, ...] = _row(
        (), _sinks, "Destination objects, beside those set by path.", in_code_only=True
    )
    tracer_provider: TracerProvider | None = _row(
        None, _provider, "The tracer provider to use instead of the global one.", in_code_only=True
    )

    @property
    def body_limit(self) -> int:
        """Decoded bytes kept of each body."""
        return PRESETS[self.preset].body_max_bytes if self.body_max_bytes is None else self.body_max_bytes


def environment_names() -> list[str]:
    """The variables that may be set, in the order of the table."""
    return [PREFIX + each.name.upper() for each in fields(Settings) if not each.metadata["in_code_only"]]


def load(keywords: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Settings from keyword arguments and the environment.

    Args:
        keywords: settings given in code.
        environ: the environment.

    Raises:
        ConfigurationError: with every mistake there is, none started.
    """
    rows = {each.name: each for each in fields(Settings)}
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX):
            continue
        name = variable[len(PREFIX) :].lower()
        row = rows.get(name)
        if row is None or row.metadata["in_code_only"]:
            near = _did_you_mean(variable, environment_names())
            problems.append(Problem(variable, repr(text), f"unknown setting{near}"))
        elif text.strip() and name not in keywords:  # an empty variable means: not set
            _take(row, variable, text, values, problems)
    for name, value in keywords.items():
        row = rows.get(name)
        if row is None:
            problems.append(Problem(name, repr(value), f"unknown setting{_did_you_mean(name, tuple(rows))}"))
        elif value is not None:
            _take(row, name, value, values, problems)
    problems.extend(_standard_problems(environ))
    if problems:
        raise ConfigurationError(problems)
    return Settings(**values)


def _take(
    row: Field[Any], given_as: str, value: Any, values: dict[str, Any], problems: list[Problem]
) -> None:
    try:
        values[row.name] = row.metadata["parse"](value)
    except NotAllowedError as error:
        problems.append(Problem(given_as, repr(value), str(error)))


def _standard_problems(environ: Mapping[str, str]) -> list[Problem]:
    """Mistakes in the standard variables that would only show at the first export."""
    problems = []
    if otlp.endpoint(environ) is not None and otlp.protocol(environ) not in otlp.PROTOCOLS:
        name = next(
            each
            for each in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
            if environ.get(each)
        )
        problems.append(Problem(name, repr(environ[name]), f"use one of {', '.join(otlp.PROTOCOLS)}"))
    known = exporters.known()
    for name in exporters.named(environ) or ():
        if name not in known:
            remedy = f"no such exporter is installed; there are {', '.join(sorted(known))}"
            problems.append(
                Problem(exporters.VARIABLE, repr(name), remedy + _did_you_mean(name, sorted(known)))
            )
    return problems


def _did_you_mean(word: str, choices: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""
