"""The rows of a Redis stream, and how its URL is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spantap.export.address import Address
from spantap.export.redis import redis_address
from spantap.settings_row import Kind, row


def _address(value: Any) -> Address:
    try:
        return redis_address(str(value).strip())
    except ImportError as error:
        raise ValueError(str(error)) from None


def _stream(value: Any) -> str:
    text = str(value).strip()
    if not text or len(text) > 200 or not text.isprintable() or " " in text:
        raise ValueError(f"use {_STREAM.takes}")
    return text


def _maxlen(value: Any) -> int:
    text = str(value).strip()
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000_000:
        raise ValueError(f"use {_MAXLEN.takes}")
    return int(text)


_STREAM = Kind("a key of up to 200 characters, without spaces", _stream)
_MAXLEN = Kind("a whole number from 1 to 1000000000", _maxlen)


@dataclass(frozen=True)
class RedisSettings:
    """The rows of a Redis stream; `spantap.settings.Settings` has them all."""

    redis_url: Address | None = row(
        None,
        Kind("a redis:// or rediss:// URL; secrets in it are never shown", _address, secret=True),
        "Redis server to keep exchanges in, in a stream; needs spantap[redis].",
    )
    redis_stream: str = row("spantap", _STREAM, "The key of that stream.")
    redis_maxlen: int = row(10_000, _MAXLEN, "Exchanges the stream keeps, about; the oldest go first.")
