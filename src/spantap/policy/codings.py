"""Content-codings taken off a body, never more than a bound of it (RFC 9110, section 8.4.1).

gzip and deflate come with Python. ``br`` and ``zstd`` need the extra ``compression``.
"""

from __future__ import annotations

import functools
import importlib
import sys
import zlib
from collections.abc import Callable
from typing import Any, Final

from spantap.policy.withheld import Withheld

_MOST_CODINGS: Final = 3
_ZSTD_WINDOW_LOG: Final = 23  # what RFC 9659 allows over HTTP: 8 MiB
_GZIP: Final = 31
_ZLIB: Final = 15
_RAW: Final = -15


def decoded(data: bytes, content_encoding: str | None, most: int) -> bytes:
    """The bytes without their content-codings.

    Args:
        data: what went over the wire.
        content_encoding: the header's value: the codings in the order they were applied.
        most: bytes that may come out of each of them; hardly more is ever unpacked.

    Raises:
        Withheld: ``truncated``: more would come out. ``corrupt``: the data is broken or ends
            early. ``content-coding``: nobody here knows the coding, or there are too many.
            ``compression-extra``: the coding needs ``pip install "spantap[compression]"``.
    """
    if content_encoding:
        codings = [each.strip().lower() for each in content_encoding.split(",")]
        codings = [each for each in codings if each not in ("", "identity")]
        if len(codings) > _MOST_CODINGS:
            raise Withheld("content-coding")
        for coding in reversed(codings):
            unpack = _UNPACK.get(coding)
            if unpack is None:
                raise Withheld("content-coding")
            data = unpack(data, most)
    if len(data) > most:
        raise Withheld("truncated")
    return data


def _gunzip(data: bytes, most: int) -> bytes:
    try:
        # Some servers pad with zeros.
        return _streams(data, lambda: zlib.decompressobj(_GZIP), most, padding=b"\0")
    except zlib.error:
        raise Withheld("corrupt") from None


def _inflate(data: bytes, most: int) -> bytes:
    for window in (_ZLIB, _RAW):  # RFC 9110 means zlib's format, some servers send none
        try:
            return _stream(data, zlib.decompressobj(window), most)
        except zlib.error:
            continue
    raise Withheld("corrupt")


def _stream(data: bytes, unpacker: Any, most: int) -> bytes:
    """One compressed stream and nothing behind it."""
    piece: bytes = unpacker.decompress(data, most + 1)  # one more tells "too much" from "just enough"
    if len(piece) > most:
        raise Withheld("truncated")
    if not unpacker.eof or unpacker.unused_data:
        raise zlib.error("ends early, or too late")
    return piece


def _streams(data: bytes, make: Callable[[], Any], most: int, padding: bytes = b"") -> bytes:
    """All streams of a body that may have several, one behind the other."""
    pieces: list[bytes] = []
    room = most + 1
    while data:
        unpacker = make()
        piece = unpacker.decompress(data, room)
        pieces.append(piece)
        room -= len(piece)
        if room <= 0:
            raise Withheld("truncated")
        if not unpacker.eof:
            raise Withheld("corrupt")
        data = unpacker.unused_data.lstrip(padding) if padding else unpacker.unused_data
    return b"".join(pieces)


def _unbrotli(data: bytes, most: int) -> bytes:
    brotli = _brotli()
    unpacker = brotli.Decompressor()
    try:
        # It stops at the first block of its own (32 KiB and doubling) that reaches the limit.
        unpacked: bytes = unpacker.process(data, output_buffer_limit=most + 1)
    except brotli.error:
        raise Withheld("corrupt") from None
    if len(unpacked) > most:
        raise Withheld("truncated")
    if not unpacker.is_finished():
        raise Withheld("corrupt")
    return unpacked


def _unzstd(data: bytes, most: int) -> bytes:
    zstd = _zstd()
    options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    try:
        return _streams(data, lambda: zstd.ZstdDecompressor(options=options), most)
    except zstd.ZstdError:
        raise Withheld("corrupt") from None


@functools.cache
def _brotli() -> Any:
    brotli = _imported("brotli")
    if brotli is not None:
        try:
            brotli.Decompressor().process(b"", output_buffer_limit=1)
        except TypeError:
            brotli = None  # before 1.2 nothing bounds what comes out
    return brotli or _Missing()


@functools.cache
def _zstd() -> Any:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return _imported(name) or _Missing()


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class _Missing:
    """Stands for a library that is not installed."""

    def __getattr__(self, name: str) -> Any:
        raise Withheld("compression-extra")


_UNPACK: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
