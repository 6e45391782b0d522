"""The search finds what it is there to find, so that an empty matrix means something."""

from __future__ import annotations

import base64
import gzip
import json
from urllib.parse import quote

import pytest

from leaks.planting import Plant
from leaks.searching import Pieces, unwrapped

PLANT = Plant("a door", "a scene")
SECRET = PLANT.secret("token")
CARD = PLANT.card("card", " ")
PIECES = Pieces([PLANT])


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET.encode(),
        SECRET.upper().encode(),
        SECRET[:11].encode(),
        SECRET[-11:].encode(),
        base64.b64encode(f"ann:{SECRET}".encode()),
        base64.urlsafe_b64encode(f"x{SECRET}".encode()),
        b"key" + base64.b64encode(f"xy{SECRET}".encode()),
        gzip.compress(json.dumps({"a": SECRET}).encode(), mtime=0),
        quote(f"p={SECRET}", safe="").encode(),
        "".join(f"%{ord(c):02x}" for c in SECRET).encode(),
        "".join(f"%25{ord(c):02x}" for c in SECRET).encode(),
        "".join(f"\\u{ord(c):04x}" for c in SECRET).encode(),
        "".join(f"&#{ord(c)};" for c in SECRET).encode(),
        SECRET.encode("utf-16-le"),
        SECRET.encode("utf-16-be"),
        SECRET.encode().hex().encode(),
        quote(base64.b64encode(f"p={SECRET}".encode()).decode(), safe="").encode(),
        b"\x0a\x12" + SECRET.encode() + b"\x12\x03abc",
    ],
)
def test_every_spelling_is_found(spelt: bytes) -> None:
    """Alone and in the middle of other things; half of a secret is a leak, too."""
    for data in (spelt, b'{"n": 1, "value": "' + spelt + b'", "more": 2}'):
        assert PIECES.found_in(data) == {("token", "a door")}


def test_what_a_terminal_breaks_is_found() -> None:
    """A value that goes on in the next line, behind an indent."""
    assert PIECES.found_in(unwrapped(f"  {SECRET[:9]}\n      {SECRET[9:]}\n".encode()))


def test_numbers_are_found_and_others_are_not() -> None:
    """A card with gaps is one needle; times and ids are none."""
    assert PIECES.found_in(f"paid with {CARD} today".encode()) == {("card", "a door")}
    assert not PIECES.found_in(b"0123456789abcdef " + str(list(range(20_000))).encode())
