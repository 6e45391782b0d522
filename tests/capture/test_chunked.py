"""The chunked transfer coding, taken off whatever the pieces are that pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantap.capture.chunked import Dechunker


def fed(pieces: list[bytes]) -> tuple[bytes, Dechunker]:
    given_on: list[bytes] = []
    dechunker = Dechunker(given_on.append)
    for piece in pieces:
        dechunker.feed(piece)
    return b"".join(given_on), dechunker


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_any_body_in_any_pieces(chunks: list[bytes], data: st.DataObject) -> None:
    """What comes out is what went in, and the end is known exactly when it has passed."""
    coded = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nX-T: 1\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(coded)), max_size=8)))
    pieces = [coded[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(coded)], strict=True)]

    body, dechunker = fed(pieces)
    short, unfinished = fed([coded[:-1]])

    assert body == b"".join(chunks) == short
    assert dechunker.done
    assert not unfinished.done


@pytest.mark.parametrize("coded", [b"zz\r\nhello", b"-5\r\nhello", b"\r\n\r\n", b"1" * 70_000])
def test_what_is_not_chunked(coded: bytes) -> None:
    """Nothing of it is given on, nothing is raised, and memory stays bounded."""
    body, dechunker = fed([coded, b"more" * 100])

    assert body == b""
    assert dechunker.malformed
    assert not dechunker.done


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_anything_may_pass(pieces: list[bytes]) -> None:
    """No bytes make it raise."""
    fed(pieces)
