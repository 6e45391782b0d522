"""How the settings of redaction are read, and what they have to agree on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from spantap.model import Problem, did_you_mean
from spantap.policy.redact import Redactor, Tally
from spantap.policy.redact.detectors import OPTIONAL
from spantap.policy.redact.user_rules import Rule, parse_rules

# What of who is behind an exchange may be hashed, and what is when nobody says otherwise.
HASHABLE: Final = ("user", "email", "company", "session", "device", "client.address")
HASHED: Final = ("user", "client.address")
KEY_SOURCES: Final = ("hash_key", "hash_key_file", "hash_key_url")


class WrongValueError(ValueError):
    """A value a setting does not take; the message says what it takes."""


class Secret:
    """A value that shows itself to nobody who does not ask for it. Immutable, hashable.

    Attributes:
        value: what is kept.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)


def rules(value: Any) -> tuple[Rule, ...]:
    """The user's rules.

    Raises:
        InvalidRulesError: some cannot work.
    """
    return parse_rules(value)


def some_of(choices: Sequence[str]) -> Callable[[Any], tuple[str, ...]]:
    """What reads a list of words of a few; ``none`` is the empty one."""

    def parse(value: Any) -> tuple[str, ...]:
        given = value.split(",") if isinstance(value, str) else value
        if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
            raise WrongValueError(f"use a list of {', '.join(choices)}, or none")
        wanted = tuple(dict.fromkeys(each.strip().lower() for each in given if each.strip()))
        if wanted == ("none",):
            return ()
        for each in wanted:
            if each not in choices:
                near = did_you_mean(each, choices)
                raise WrongValueError(
                    f"there is no {each!r}; use a list of {', '.join(choices)}, or none{near}"
                )
        return wanted

    return parse


def secret(value: Any) -> Secret:
    """A text that is never shown."""
    if not isinstance(value, str) or not value.strip():
        raise WrongValueError("use a text that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WrongValueError("use UTF-8") from None
    return Secret(value.strip())


def secret_headers(value: Any) -> Secret:
    """Headers that are never shown: ``name=value`` pairs, or a table."""
    if isinstance(value, str):
        pairs = [(name.strip(), text.strip()) for name, _, text in _split(value)]
    elif isinstance(value, Mapping):
        pairs = [(str(name), str(text)) for name, text in value.items()]
    else:
        raise WrongValueError("use name=value, several separated by commas")
    for name, text in pairs:
        if not name or not text or not (name + text).isprintable() or not (name + text).isascii():
            raise WrongValueError("use name=value, several separated by commas")
    return Secret(tuple(pairs))


def _split(value: str) -> Iterator[tuple[str, str, str]]:
    return (each.partition("=") for each in value.split(",") if each.strip())


def url(value: Any, headers: str = "HASH_KEY_HEADERS") -> str:
    """The URL of a service.

    Args:
        value: what was given.
        headers: the setting for what is secret.
    """
    try:
        parts = urlsplit(value.strip())
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (AttributeError, ValueError):
        whole = False
    if not whole:
        raise WrongValueError("use a URL with http:// or https://")
    plain = str(value).strip()
    if Redactor().url(plain, Tally()) != plain:
        raise WrongValueError(f"leave secrets out of the URL; give them as headers in {headers}")
    return plain


def problems(values: Mapping[str, Any], given_as: Mapping[str, str]) -> Iterator[Problem]:
    """What the settings of redaction do not agree on.

    Args:
        values: the settings that were given and could be read.
        given_as: how each was given.
    """
    sources = [each for each in KEY_SOURCES if each in given_as]
    if len(sources) > 1:
        others = " and ".join(given_as[each] for each in sources[:-1])
        yield Problem(given_as[sources[-1]], "***", f"there is one key: give this or {others}, not both")
    if "hash_key_headers" in given_as and "hash_key_url" not in given_as:
        yield Problem(
            given_as["hash_key_headers"], "***", "there is no URL to send them to; set HASH_KEY_URL"
        )
    if sources:
        hashing = values.get("hash", HASHED) or any(
            each.action == "hash" for each in values.get("redact_rules", ())
        )
        if not hashing and {"hash", "redact_rules"}.isdisjoint(set(given_as) - set(values)):
            yield Problem(
                given_as[sources[0]], "***", "nothing is hashed with it; say what in HASH, or in a rule"
            )
    else:
        remedy = "there is no key to hash with; set HASH_KEY, HASH_KEY_FILE or HASH_KEY_URL"
        if values.get("hash"):
            yield Problem(given_as["hash"], ", ".join(values["hash"]), remedy)
        for rule in values.get("redact_rules", ()):
            if rule.action == "hash":
                yield Problem(given_as["redact_rules"], repr(str(rule)), remedy)
        if "hash_key_id" in given_as:
            yield Problem(given_as["hash_key_id"], repr(values.get("hash_key_id")), remedy)


def key_file(value: Any) -> Path:
    """A file with a key in it, which can be read now."""
    if not isinstance(value, (str, os.PathLike)):
        raise WrongValueError("is no path of a file")
    path = Path(value).expanduser()
    try:
        empty = not path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise WrongValueError(f"cannot be read: {reason}") from None
    if empty:
        raise WrongValueError("is empty; write the key into it")
    return path


def optional_values(value: Any) -> tuple[str, ...]:
    """Which of the optional detectors are wanted."""
    return some_of(tuple(OPTIONAL))(value)
