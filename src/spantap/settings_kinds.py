"""The kinds of settings: what each takes, in words and as a function."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from opentelemetry.trace import TracerProvider

from spantap import settings_redaction
from spantap.export.files import why_not_writable
from spantap.export.sink import Sink, policy_of
from spantap.model import did_you_mean
from spantap.policy.destination import DestinationPolicy
from spantap.policy.proxies import TrustedProxies
from spantap.policy.select import InvalidPatternError, Selection
from spantap.policy.traits import Traits
from spantap.settings_errors import NotAllowedError
from spantap.settings_hooks import parse_hook
from spantap.settings_row import Kind


def _flag(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    raise NotAllowedError(f"use {FLAG.takes}")


def whole(lowest: int, highest: int) -> Kind:
    """A whole number within bounds."""
    takes = f"a whole number from {lowest} to {highest}"

    def parse(value: Any) -> int:
        try:
            number = int(str(value).strip())
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= highest or isinstance(value, bool):
            raise NotAllowedError(f"use {takes}")
        return number

    return Kind(takes, parse)


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        raise NotAllowedError(f"use {WORDS.takes}")
    return tuple(each.strip() for each in value if each.strip())


def _patterns(value: Any) -> tuple[str, ...]:
    patterns = _words(value)
    try:
        Selection(include=patterns)
    except InvalidPatternError as error:
        raise NotAllowedError(f"{error}; use globs (/api/*) or re:<RE2 expression>") from None
    return patterns


def _traits(value: Any) -> tuple[str, ...]:
    rules = _words(value)
    try:
        Traits(rules)
    except InvalidPatternError as error:
        raise NotAllowedError(str(error)) from None
    return rules


def one_of(*choices: str) -> Kind:
    """One of some words, in any case."""
    takes = f"one of {', '.join(choices)}"

    def parse(value: Any) -> str:
        word = str(value).strip().lower()
        if word not in choices:
            raise NotAllowedError(f"use {takes}{did_you_mean(word, choices)}")
        return word

    return Kind(takes, parse)


def _path(value: Any) -> Path:
    if not isinstance(value, (str, os.PathLike)) or not str(value):
        raise NotAllowedError(f"use {STORE.takes}")
    return Path(value).expanduser()


def _store(value: Any) -> Path:
    path = _path(value)
    reason = why_not_writable(path)
    if reason is not None:
        raise NotAllowedError(reason)
    return path


def _sinks(value: Any) -> tuple[Sink, ...]:
    sinks = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    for sink in sinks:
        if not all(hasattr(sink, name) for name in ("name", "target", "write", "close")):
            raise NotAllowedError(f"use {SINKS.takes}")
        if not isinstance(policy_of(sink), DestinationPolicy | None):
            raise NotAllowedError(f"the policy of {sink.name} has to be a DestinationPolicy")
    return sinks


def _provider(value: Any) -> TracerProvider | None:
    if value is not None and not hasattr(value, "get_tracer"):
        raise NotAllowedError(f"use {PROVIDER.takes}")
    return value  # type: ignore[no-any-return]


def _word(value: Any) -> str:
    """A text without blanks and commas."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or any(each.isspace() or each == "," for each in text):
        raise NotAllowedError(f"use {WORD.takes}")
    return text


def _header_name(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not _TOKEN.fullmatch(text):
        raise NotAllowedError(f"use {HEADER_NAME.takes}")
    return text


def _proxies(value: Any) -> tuple[str, ...]:
    """What `TrustedProxies` is made from."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        raise NotAllowedError(f"use {PROXIES.takes}")
    trusted = tuple(each.strip() for each in value if each.strip())
    try:
        TrustedProxies(trusted)
    except ValueError:
        raise NotAllowedError(f"use {PROXIES.takes}") from None
    return trusted


def _seconds(value: Any) -> float:
    """How long something may take."""
    try:
        number = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0.001 <= number <= 3600:
        raise NotAllowedError(f"use {SECONDS.takes}")
    return number


FLAG: Final = Kind("true or false", _flag)
WORDS: Final = Kind("a list of words; in the environment comma-separated", _words)
PATTERNS: Final = Kind("a list of globs or re: expressions; in the environment comma-separated", _patterns)
HOSTS: Final = Kind(
    "a list of host names, globs or re: expressions; in the environment comma-separated", _patterns
)
WORD: Final = Kind("one word", _word)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
HEADER_NAME: Final = Kind("the name of a header, letters, digits and !#$%&'*+.^_`|~-", _header_name)
PROXIES: Final = Kind(
    "the number of proxies, or a list of addresses, networks (10.0.0.0/8) and unix; in the environment "
    "comma-separated",
    _proxies,
)
SECONDS: Final = Kind("a number of seconds from 0.001 to 3600", _seconds)
HOOK: Final = Kind(
    "a callable with one parameter; in the environment and the file module:function", parse_hook
)
TRAITS: Final = Kind(
    "a list of rules such as status:5xx or endpoint:admin.*; in the environment comma-separated", _traits
)
PATH: Final = Kind("the path of a file", _path)
STORE: Final = Kind("the path of a file", _store)
SINKS: Final = Kind("objects with name, target, write() and close(), such as SQLiteSink(path)", _sinks)
PROVIDER: Final = Kind("a TracerProvider", _provider)
RULES: Final = Kind(
    "a list of rules (docs/redaction.md); in the environment one a line, or separated by ;",
    settings_redaction.rules,
)
VALUES: Final = Kind("a list of email, phone", settings_redaction.optional_values)
HASHABLE: Final = Kind(
    f"a list of {', '.join(settings_redaction.HASHABLE)}, or none",
    settings_redaction.some_of(settings_redaction.HASHABLE),
)
SECRET: Final = Kind("a text; it is never shown", settings_redaction.secret, secret=True)
SECRET_HEADERS: Final = Kind(
    "name=value, several separated by commas; they are never shown",
    settings_redaction.secret_headers,
    secret=True,
)
KEY_FILE: Final = Kind("the path of a file", settings_redaction.key_file)
URL: Final = Kind("a URL with http:// or https://", settings_redaction.url, secret=True)
TEXT: Final = Kind("a text", str)
