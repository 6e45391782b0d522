"""Bodies packed in every way a client or an app may pack them."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(data: bytes) -> bytes:
    """Deflate without zlib's frame, as some servers send it."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def brotlied(data: bytes) -> bytes:
    """What ``br`` means."""
    packed: bytes = brotli.compress(data)
    return packed


def zstded(data: bytes) -> bytes:
    """What ``zstd`` means."""
    return zstd.compress(data)


# name -> Content-Encoding, how to pack
PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "gzip in two members": ("gzip", lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]) + b"\0\0"),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "identity": ("identity", bytes),
    "br": ("br", brotlied),
    "zstd": ("zstd", zstded),
    "zstd in two frames": ("zstd", lambda data: zstded(data[:5]) + zstded(data[5:])),
    "gzip twice": ("gzip, gzip", lambda data: gzip.compress(gzip.compress(data))),
    "gzip, then br": ("gzip, br", lambda data: brotlied(gzip.compress(data))),
    "deflate, then zstd": ("deflate,zstd , identity", lambda data: zstded(zlib.compress(data))),
}


def form(*parts: tuple[str, bytes], boundary: str = "xYz", end: str = "--") -> bytes:
    """A multipart body of header lines and contents."""
    lines = [
        b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), head.replace("\n", "\r\n").encode(), content)
        for head, content in parts
    ]
    return b"".join(lines) + f"--{boundary}{end}\r\n".encode()


def field(name: str, value: bytes, more: str = "") -> tuple[str, bytes]:
    """A field of a form; `more` is further header lines."""
    return f'Content-Disposition: form-data; name="{name}"' + (f"\n{more}" if more else ""), value


def file(name: str, filename: str, content: bytes, content_type: str = "image/png") -> tuple[str, bytes]:
    """A file in a form."""
    head = (
        f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\nContent-Type: {content_type}'
    )
    return head, content
