"""Content-codings put on what is sent. gzip comes with Python, zstd with the extra ``compression``."""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable
from typing import Any, Final

COMPRESSIONS: Final = ("none", "gzip", "zstd")
_GZIP: Final = 31
_QUICK: Final = 1  # the worker shares an interpreter with the app


def packer(coding: str) -> Callable[[bytes], bytes]:
    """What packs with a content-coding.

    Raises:
        ImportError: the library for it is not installed; the message says how to get it.
    """
    if coding == "gzip":
        return _gzip
    if coding == "zstd":
        return _zstd()
    return bytes


def _gzip(data: bytes) -> bytes:
    packing = zlib.compressobj(_QUICK, zlib.DEFLATED, _GZIP)
    return packing.compress(data) + packing.flush()


def _zstd() -> Callable[[bytes], bytes]:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        zstd: Any = importlib.import_module(name)
    except ImportError:
        raise ImportError('zstd needs a library: pip install "spantap[compression]"') from None
    compress: Callable[[bytes], bytes] = zstd.compress
    return compress
