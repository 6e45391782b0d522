"""Content-codings: taken off, within bounds, or told why not."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from packing import PACKED, brotlied, raw_deflate, zstded
from spantap.policy.codings import decoded
from spantap.policy.withheld import Withheld

CAP = 20 * 1024
BOMB = b"\0" * 10_000_000


def whole_or_why(data: bytes, coding: str) -> bytes | str:
    try:
        return decoded(data, coding, CAP).data
    except Withheld as reason:
        return str(reason)


@pytest.mark.parametrize(("coding", "pack"), PACKED.values(), ids=PACKED)
def test_codings_are_taken_off_in_order(coding: str, pack: Callable[[bytes], bytes]) -> None:
    """Whatever was applied, in whatever order the header tells; just enough is not too much."""
    data = b"some text " * 200

    assert decoded(pack(data), coding, len(data)) == (data, False)
    assert decoded(pack(data), coding, len(data) - 1) == (data[:-1], True)


@pytest.mark.parametrize(("coding", "pack"), PACKED.values(), ids=PACKED)
def test_of_packed_data_that_was_cut_the_beginning_is_unpacked(
    coding: str, pack: Callable[[bytes], bytes]
) -> None:
    """As much as the decoder makes of it, which is a beginning of the text wherever the cut is."""
    data = b"".join(b"text number %d, " % number for number in range(60))
    packed = pack(data)
    for end in range(len(packed)):
        beginning, cut = decoded(packed[:end], coding, CAP, cut=True)
        assert data.startswith(beginning)
        assert cut


@pytest.mark.parametrize(("coding", "pack"), PACKED.values(), ids=PACKED)
def test_packed_data_that_ends_early_is_not_shown(coding: str, pack: Callable[[bytes], bytes]) -> None:
    """At no place does a beginning pass for the whole."""
    packed = pack(b"some text " * 20)
    if coding == "identity":
        return
    if packed.endswith(b"\0\0"):  # padding, which may be missing
        packed = packed[:-2]
    shown = {whole_or_why(packed[:end], coding) for end in range(1, len(packed))}

    # The first of several frames is a body of its own; who sends less than all of them cannot be told.
    assert shown <= {"corrupt", b"some "}


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(BOMB)),
        ("deflate", zlib.compress(BOMB)),
        ("deflate", raw_deflate(BOMB)),
        ("br", brotlied(BOMB)),
        ("zstd", zstded(BOMB)),
        ("gzip, gzip", gzip.compress(gzip.compress(BOMB))),
        ("br, gzip", gzip.compress(brotlied(BOMB))),
        ("gzip, zstd", zstded(gzip.compress(BOMB))),
    ],
    ids=["gzip", "deflate", "raw deflate", "br", "zstd", "gzip twice", "br in gzip", "gzip in zstd"],
)
def test_a_bomb_is_not_unpacked(coding: str, packed: bytes) -> None:
    """Ten megabytes of zeros cost a few times the cap in memory, and no more than the cap is passed on."""
    assert len(packed) < CAP
    decoded(packed, coding, CAP)  # once, to have imported what it needs
    tracemalloc.start()
    try:
        beginning, cut = decoded(packed, coding, CAP)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 10 * CAP
    assert cut
    assert BOMB.startswith(beginning)
    assert len(beginning) <= CAP


def test_no_more_than_the_cap_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a gzip bomb, one byte more than the cap comes out of zlib, and then no more."""
    came_out: list[int] = []
    make = zlib.decompressobj

    class Counting:
        def __init__(self, window: int) -> None:
            self._inner = make(window)

        def decompress(self, data: bytes, most: int) -> bytes:
            piece = self._inner.decompress(data, most)
            came_out.append(len(piece))
            return piece

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    monkeypatch.setattr(zlib, "decompressobj", Counting)

    assert decoded(gzip.compress(BOMB), "gzip", CAP).cut
    assert came_out == [CAP + 1]


WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(["brotli", "backports.zstd", "compression.zstd"]))
from spantap.model import Collected
from spantap.policy.body import BodyLimits, clean_body
from spantap.policy.redact import Redactor, Tally
for coding in ("br", "zstd", "gzip, br"):
    body = clean_body(Collected(b"{}", 2), "application/json", coding, BodyLimits(), Redactor(), Tally())
    print(body.withheld)
"""


def test_without_the_extra_the_reason_says_so() -> None:
    """br and zstd need `spantap[compression]`; a body that does is withheld for that reason."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["compression-extra"] * 3


OLD = """
import sys, types
old = types.ModuleType("brotli")
class Decompressor:
    def process(self, data): return b"{}"
old.Decompressor, old.error = Decompressor, ValueError
sys.modules["brotli"] = old
from spantap.policy.codings import decoded
try:
    decoded(b"x", "br", 9)
except Exception as why:
    print(why)
"""


def test_a_brotli_that_cannot_be_bounded_is_not_used() -> None:
    """Before 1.2 a few bytes could fill the memory."""
    done = subprocess.run([sys.executable, "-c", OLD], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["compression-extra"]
