"""Finds planted values in bytes, however they are spelt, and pieces of them, too."""

from __future__ import annotations

import base64
import binascii
import html
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from leaks.planting import Plant

_PIECE: Final = 9  # so many characters of a secret are a leak
_DIGITS: Final = 12  # of a number more are needed: there are many numbers in a record
_RUN: Final = re.compile(rb"[a-z0-9]{9,}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2}){9,}")
_PRINTED: Final = re.compile(rb"[!-~]{9,}")
_ZEROS: Final = re.compile(rb"(?:\0{0,3}[ -~]\0{1,3}){9,}")
_ESCAPE: Final = re.compile(rb"\\+u00([0-9a-fA-F]{2})|\\+x([0-9a-fA-F]{2})")


class Pieces:
    """Pieces of all secrets, and whose they are."""

    def __init__(self, plants: Iterable[Plant]) -> None:
        self._owners: dict[bytes, tuple[str, str]] = {}
        for plant in plants:
            for secret in plant.secrets.values():
                for piece in secret.pieces:
                    self._add(piece.lower().encode(), (secret.name, plant.door))

    def _add(self, piece: bytes, owner: tuple[str, str]) -> None:
        if not _RUN.fullmatch(piece):  # a card number with gaps: as a whole
            self._owners[piece] = owner
            return
        size = _DIGITS if piece.isdigit() else _PIECE
        for at in range(len(piece) - size + 1):
            self._owners[piece[at : at + size]] = owner

    def found_in(self, data: bytes) -> set[tuple[str, str]]:
        """Secret and door of everything found."""
        owners = self._owners
        found: set[tuple[str, str]] = set()
        seen: set[bytes] = set()
        spaced = [piece for piece in owners if not piece.isalnum()]
        for spelling in spellings(data):
            text = spelling.lower()
            found.update(owners[piece] for piece in spaced if piece in text)
            for run in set(_RUN.findall(text)) - seen:
                seen.add(run)
                for size in (_PIECE, _DIGITS):
                    for at in range(len(run) - size + 1):
                        owner = owners.get(run[at : at + size])
                        if owner is not None:
                            found.add(owner)
        return found


def spellings(data: bytes) -> Iterator[bytes]:
    """The bytes themselves, and what they are when they are decoded, twice over."""
    yield data
    for way in _WAYS:
        once = way(data)
        if once == data:
            continue
        yield once
        if way in _TEXTUAL:
            for other in _WAYS:
                twice = other(once)
                if twice != once:
                    yield twice


def _unpacked(data: bytes) -> bytes:
    made = []
    for start in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", data):
        reader = zlib.decompressobj(31 if start[0][:1] == b"\x1f" else 15)
        try:
            made.append(reader.decompress(data[start.start() :], 1 << 22))
        except zlib.error:
            continue
    return b"\n".join(made)


def _unbased(data: bytes) -> bytes:
    made = []
    for run in set(_BASE64.findall(data)):
        plain = run.replace(b"-", b"+").replace(b"_", b"/")
        for shift in range(4):  # it may begin anywhere
            piece = plain[shift:]
            try:
                made.append(base64.b64decode(piece[: len(piece) // 4 * 4]))
            except binascii.Error:
                continue
    return b"\n".join(made)


def _unhexed(data: bytes) -> bytes:
    return b"\n".join(bytes.fromhex(run.decode()) for run in set(_HEX.findall(data)))


def _unescaped(data: bytes) -> bytes:
    return b"\n".join(
        _ESCAPE.sub(lambda found: bytes([int(found[1] or found[2], 16)]), run)
        for run in _runs_with(b"\\", data)
    )


def _unreferenced(data: bytes) -> bytes:
    runs = (html.unescape(run.decode("latin-1")) for run in _runs_with(b"&", data))
    return "\n".join(runs).encode("latin-1", "replace")


def _unquoted(data: bytes) -> bytes:
    return b"\n".join(unquote_to_bytes(run) for run in _runs_with(b"%", data))


def _runs_with(mark: bytes, data: bytes) -> Iterator[bytes]:
    """What may be encoded so; the rest is searched as it is."""
    return (run for run in set(_PRINTED.findall(data)) if mark in run)


def _without_zeros(data: bytes) -> bytes:
    """UTF-16 and UTF-32 of either kind."""
    return b"\n".join(run.replace(b"\0", b"") for run in set(_ZEROS.findall(data)))


_WAYS: Final = (_unquoted, _without_zeros, _unpacked, _unbased, _unhexed, _unescaped, _unreferenced)
_TEXTUAL: Final = (_unquoted, _unescaped)  # what is in these may be encoded again


def unwrapped(text: bytes) -> bytes:
    """What a terminal shows, without its line breaks and indents."""
    return re.sub(rb"\s+|\xe2[\x94-\x96].|\xe2\x80\xa6", b"", text)


def table(title: str, names: Iterable[str], columns: Iterable[str], leaks: Mapping[str, set[str]]) -> str:
    """Secrets down, places across; a cross where one was found."""
    columns = list(columns)
    width = max(map(len, names := list(names)), default=0)
    lines = [f"{title:<{width}}  " + "  ".join(columns)]
    for name in names:
        marks = ["LEAK" if column in leaks.get(name, ()) else "." for column in columns]
        lines.append(
            f"{name:<{width}}  "
            + "  ".join(f"{m:<{len(c)}}" for m, c in zip(marks, columns, strict=True)).rstrip()
        )
    return "\n".join(lines)
