"""Content-codings taken off a body, never more than a bound of it (RFC 9110, section 8.4.1).

gzip and deflate come with Python. ``br`` and ``zstd`` need the extra ``compression``.
"""

from __future__ import annotations

import functools
import importlib
import sys
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from spantap.policy.withheld import Withheld

_MOST_CODINGS: Final = 3
_ZSTD_WINDOW_LOG: Final = 23  # what RFC 9659 allows over HTTP: 8 MiB
_GZIP: Final = 31
_ZLIB: Final = 15
_RAW: Final = -15

Unpacked = tuple[bytes, bool]  # what came out, and whether that is all


class Decoded(NamedTuple):
    """Bytes without their content-codings, and whether they are only the beginning."""

    data: bytes
    cut: bool


def decoded(data: bytes, content_encoding: str | None, most: int, *, cut: bool = False) -> Decoded:
    """The bytes without their content-codings, or their beginning.

    Args:
        data: what went over the wire.
        content_encoding: the header's value: the codings in the order they were applied.
        most: bytes that may come out of each of them; hardly more is ever unpacked.
        cut: whether the data is only the beginning: what can be unpacked of it is.

    Raises:
        Withheld: ``corrupt``: the data is broken, or ends early although it is all of it.
            ``content-coding``: nobody here knows the coding, or there are too many.
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
            data, ended = unpack(data, most)
            if not ended and not cut and len(data) <= most:
                raise Withheld("corrupt")
            cut = cut or not ended or len(data) > most
            data = data[:most]
    return Decoded(data[:most], cut or len(data) > most)


def _gunzip(data: bytes, most: int) -> Unpacked:
    try:
        # Some servers pad with zeros.
        return _streams(data, lambda: zlib.decompressobj(_GZIP), most, padding=b"\0")
    except zlib.error:
        raise Withheld("corrupt") from None


def _inflate(data: bytes, most: int) -> Unpacked:
    for window in (_ZLIB, _RAW):  # RFC 9110 means zlib's format, some servers send none
        try:
            unpacker = zlib.decompressobj(window)
            piece = unpacker.decompress(data, most + 1)  # one more tells "too much" from "just enough"
        except zlib.error:
            continue
        if not unpacker.unused_data:
            return piece, unpacker.eof
    raise Withheld("corrupt")


def _streams(data: bytes, make: Callable[[], Any], most: int, padding: bytes = b"") -> Unpacked:
    """All streams of a body that may have several, one behind the other."""
    pieces: list[bytes] = []
    room = most + 1
    ended = True
    while data and room > 0 and ended:
        unpacker = make()
        piece = unpacker.decompress(data, room)
        pieces.append(piece)
        room -= len(piece)
        ended = unpacker.eof
        data = unpacker.unused_data.lstrip(padding) if padding else unpacker.unused_data
    return b"".join(pieces), ended and not data


def _unbrotli(data: bytes, most: int) -> Unpacked:
    brotli = _brotli()
    unpacker = brotli.Decompressor()
    try:
        # It stops at the first block of its own (32 KiB and doubling) that reaches the limit.
        unpacked: bytes = unpacker.process(data, output_buffer_limit=most + 1)
    except brotli.error:
        raise Withheld("corrupt") from None
    return unpacked, unpacker.is_finished()


def _unzstd(data: bytes, most: int) -> Unpacked:
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


_UNPACK: Final[dict[str, Callable[[bytes, int], Unpacked]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
