"""The rows of HTTP and WebSocket destinations, how they are read, and what they have to agree on."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote

from spantap.export import formats
from spantap.export.address import Address
from spantap.export.packing import COMPRESSIONS, packer
from spantap.model import Problem, did_you_mean
from spantap.settings_redaction import Secret
from spantap.settings_redis import RedisSettings
from spantap.settings_row import Kind, row
from spantap.settings_spool import SpoolSettings

# What a setting has no effect without.
_NEEDS: Final = {"http_": "http_endpoint", "websocket_": "websocket_endpoint", "redis_": "redis_url"}
_KNOW_CLIENTS: Final = ("http_endpoint", "websocket_endpoint")
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def http_address(value: Any) -> Address:
    """The URL of an HTTP collector."""
    return Address.parse(str(value).strip(), "http", "https")


def websocket_address(value: Any) -> Address:
    """The URL of a WebSocket collector."""
    try:
        importlib.import_module("websockets")
    except ImportError:
        raise ValueError('WebSockets need a library: pip install "spantap[websocket]"') from None
    return Address.parse(str(value).strip(), "ws", "wss")


def headers(value: Any) -> Secret:
    """Header fields: ``name=value`` pairs, percent-encoded where need be, or a table."""
    if isinstance(value, Mapping):
        pairs = [(str(name).strip(), str(text).strip()) for name, text in value.items()]
    elif isinstance(value, str):
        split = (each.partition("=") for each in value.split(",") if each.strip())
        pairs = [(name.strip(), unquote(text.strip())) for name, _, text in split]
    else:
        raise ValueError("use name=value, several separated by commas")
    for name, text in pairs:
        if not name or not _TOKEN.issuperset(name) or not text or not (text.isascii() and text.isprintable()):
            raise ValueError("use name=value, several separated by commas; other characters as %xx")
    return Secret(tuple(pairs))


def token(value: Any) -> Secret:
    """A text that is never shown and can stand in a header."""
    text = str(value).strip()
    if not text or not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("use a token: visible ASCII without spaces")
    return Secret(text)


def client_id(value: Any) -> str:
    """A name that can stand in a header."""
    text = str(value).strip()
    if not text or len(text) > 200 or not (text.isascii() and text.isprintable()):
        raise ValueError("use up to 200 visible ASCII characters")
    return text


def format_name(value: Any) -> str:
    """A format there is."""
    name = str(value).strip()
    try:
        formats.named(name)
    except LookupError:
        there_are = formats.known()
        remedy = f"use one of {', '.join(there_are)}{did_you_mean(name, there_are)}"
        raise ValueError(remedy) from None
    return name


def compression(value: Any) -> str:
    """A content-coding that can be made here."""
    name = str(value).strip().lower()
    if name not in COMPRESSIONS:
        raise ValueError(f"use one of {', '.join(COMPRESSIONS)}{did_you_mean(name, COMPRESSIONS)}")
    try:
        packer(name)
    except ImportError as error:
        raise ValueError(str(error)) from None
    return name


def seconds(lowest: float, highest: float) -> Callable[[Any], float]:
    """What reads a number of seconds."""

    def parse(value: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not lowest <= number <= highest:
            raise ValueError(f"use a number of seconds from {lowest:g} to {highest:g}")
        return number

    return parse


def certificate(value: Any) -> Path:
    """A file that is there."""
    path = Path(str(value)).expanduser()
    if not path.is_file():
        raise ValueError("there is no such file; give it as PEM")
    return path


def _whole(lowest: int, highest: int) -> Kind:
    takes = f"a whole number from {lowest} to {highest}"

    def parse(value: Any) -> int:
        text = str(value).strip()
        if not text.isdecimal() or not lowest <= int(text) <= highest:
            raise ValueError(f"use {takes}")
        return int(text)

    return Kind(takes, parse)


def _seconds(lowest: float, highest: float) -> Kind:
    return Kind(f"a number of seconds from {lowest:g} to {highest:g}", seconds(lowest, highest))


CERTIFICATE: Final = Kind("the path of a PEM file", certificate)
_TOKEN_KIND: Final = Kind("a token; it is never shown", token, secret=True)
_PLACES: Final = ("header", "message")


def token_place(value: Any) -> str:
    """Where a token goes."""
    place = str(value).strip().lower()
    if place not in _PLACES:
        raise ValueError(f"use one of {', '.join(_PLACES)}")
    return place


def flag(value: Any) -> bool:
    """Yes or no."""
    text = str(value).strip().lower()
    if text not in _FLAGS:
        raise ValueError("use true or false")
    return _FLAGS[text]


_FLAGS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


@dataclass(frozen=True)
class RemoteSettings(SpoolSettings, RedisSettings):
    """The rows of remote destinations; `spantap.settings.Settings` has them all."""

    http_endpoint: Address | None = row(
        None,
        Kind("an http:// or https:// URL; secrets in it are never shown", http_address, secret=True),
        "Where batches of exchanges are posted; user:password@ is sent as Basic, key@ as Bearer.",
    )
    http_format: str = row(
        "spantap",
        Kind("spantap, ndjson, or the name of an installed format", format_name),
        "How: one JSON array of records (spantap) or one record a line (ndjson); docs/destinations.md.",
    )
    http_headers: Secret | None = row(
        None,
        Kind("name=value, several separated by commas; they are never shown", headers, secret=True),
        "Headers sent along.",
    )
    http_token: Secret | None = row(None, _TOKEN_KIND, "Sent as Authorization: Bearer.")
    http_compression: str = row(
        "none",
        Kind("one of none, gzip, zstd", compression),
        "Content-coding; zstd needs spantap[compression].",
    )
    http_batch_size: int | None = row(
        None, _whole(1, 100_000), "Exchanges in one request, at most; when not set, as for all destinations."
    )
    http_flush_interval: float | None = row(
        None,
        _seconds(0, 3600),
        "Seconds the first exchange of a batch waits for others; when not set, as for all destinations.",
    )
    http_timeout: float = row(
        10.0, _seconds(0.01, 600), "Seconds to connect, and seconds the collector may be silent."
    )
    http_certificate: Path | None = row(None, CERTIFICATE, "Whom to trust, instead of the usual authorities.")
    http_client_certificate: Path | None = row(None, CERTIFICATE, "Shows the collector who we are.")
    http_client_key: Path | None = row(None, CERTIFICATE, "Its key, if that is in a file of its own.")
    websocket_endpoint: Address | None = row(
        None,
        Kind("a ws:// or wss:// URL; secrets in it are never shown", websocket_address, secret=True),
        "Where exchanges are streamed over one connection; needs spantap[websocket].",
    )
    websocket_token: Secret | None = row(None, _TOKEN_KIND, "Says who we are.")
    websocket_token_in: Literal["header", "message"] = row(
        "header",
        Kind("header or message", token_place),
        "Where the token goes: the Authorization header, or the first message of a connection.",
    )
    websocket_acks: bool = row(
        True,
        Kind("true or false", flag),
        "Whether the collector confirms; without, what is sent counts as taken.",
    )
    websocket_in_flight: int = row(100, _whole(1, 100_000), "Exchanges sent and not confirmed yet, at most.")
    websocket_timeout: float = row(
        10.0, _seconds(0.01, 600), "Seconds to connect, and seconds a confirmation may take."
    )
    websocket_certificate: Path | None = row(
        None, CERTIFICATE, "Whom to trust, instead of the usual authorities."
    )
    client_id: str | None = row(
        None,
        Kind("up to 200 visible ASCII characters", client_id),
        "Names this sender to HTTP and WebSocket collectors.",
    )
    faas_flush_timeout: float = row(
        2.0,
        _seconds(0, 900),
        "Seconds the end of a request waits for delivery where the process is frozen after it (AWS Lambda); "
        "0: not at all.",
    )


def problems(values: Mapping[str, Any], given_as: Mapping[str, str]) -> Iterator[Problem]:
    """What these settings do not agree on.

    Args:
        values: the settings that were given and could be read.
        given_as: how each was given.
    """
    for name, given in given_as.items():
        for prefix, needed in _NEEDS.items():
            if name.startswith(prefix) and needed not in given_as:
                yield Problem(given, "***", f"has no effect without {needed.upper()}: set that too")
    if "client_id" in given_as and not set(_KNOW_CLIENTS) & given_as.keys():
        needed = " or ".join(each.upper() for each in _KNOW_CLIENTS)
        yield Problem(given_as["client_id"], "***", f"has no effect without {needed}: set that too")
    for prefix, endpoint in _NEEDS.items():
        address, key = values.get(endpoint), f"{prefix}client_key"
        if address is not None and address.user is not None and f"{prefix}token" in given_as:
            remedy = f"there is a user in {endpoint.upper()} already: give one of them"
            yield Problem(given_as[f"{prefix}token"], "***", remedy)
        if key in given_as and f"{prefix}client_certificate" not in given_as:
            remedy = f"a key needs its certificate: set {prefix.upper()}CLIENT_CERTIFICATE too"
            yield Problem(given_as[key], "***", remedy)
