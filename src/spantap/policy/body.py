"""Collected bytes in, a clean `Body` out: decoded, redacted, then cut."""

from __future__ import annotations

import codecs
import re
import zlib
from dataclasses import dataclass
from typing import Final

from spantap.model import Body, Collected
from spantap.policy.redact import Redactor, Tally

_MARGIN: Final = 4096
_MOST_CODINGS: Final = 3

_TEXTUAL: Final = frozenset({
    "application/x-www-form-urlencoded", "application/javascript", "application/x-javascript",
    "application/ecmascript", "application/graphql", "application/ndjson", "application/x-ndjson",
    "application/jsonl", "application/x-jsonlines", "application/jsonlines", "application/json-seq",
    "application/json5", "application/sql", "application/x-sh", "application/toml", "application/x-yaml",
})  # fmt: skip
_TEXTUAL_ENDS: Final = ("/json", "+json", "/xml", "+xml", "/yaml", "+yaml")
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?\s*([^\s\";]*)", re.IGNORECASE)
# A table of ours: the codec registry remembers every unknown name it is asked for, for good, and
# knows codecs that are no charsets.
_CODECS: Final = {
    name: codec
    for codec, names in {
        "utf-8": "utf-8 utf8 us-ascii ascii unicode-1-1-utf-8",
        "latin-1": "iso-8859-1 iso8859-1 latin1 latin-1 l1",
        "utf-16": "utf-16 utf16", "utf-16-le": "utf-16le utf16le", "utf-16-be": "utf-16be utf16be",
        "utf-32": "utf-32 utf32", "utf-32-le": "utf-32le", "utf-32-be": "utf-32be",
        "gb18030": "gb18030 gbk gb2312", "big5": "big5", "shift_jis": "shift-jis sjis",
        "cp932": "windows-31j",
        "euc-jp": "euc-jp", "euc-kr": "euc-kr", "cp949": "ks-c-5601-1987 cp949",
        "koi8-r": "koi8-r", "koi8-u": "koi8-u",
        **{f"iso8859-{n}": f"iso-8859-{n} iso8859-{n}" for n in (*range(2, 12), 13, 14, 15, 16)},
        **{f"cp125{n}": f"windows-125{n} cp125{n}" for n in range(9)},
    }.items()
    for name in names.split()
}  # fmt: skip
_PLAIN: Final = frozenset({"utf-8", "utf-8-sig", "latin-1"})
_MARKED: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like the one of UTF-16, so it is asked first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARKS: Final = tuple(mark for mark, _ in _MARKED)


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bounds of one body, in decoded bytes.

    Attributes:
        max_bytes: most that is shown; 0 shows none.
        collect_bytes: most that is decoded and redacted; the margin lets a value that
            straddles the cut be seen whole.
    """

    max_bytes: int = 16 * 1024
    collect_bytes: int = 16 * 1024 + _MARGIN


class _Withheld(Exception):  # noqa: N818 - a way out of the steps below, not an error
    """The body is not shown; the argument says why."""


def clean_body(
    collected: Collected,
    content_type: str | None,
    content_encoding: str | None,
    limits: BodyLimits,
    redactor: Redactor,
    tally: Tally,
) -> Body:
    """What may be shown of a body. Never raises.

    Args:
        collected: its raw bytes, up to a cap.
        content_type: the header's value.
        content_encoding: the header's value.
        limits: how much to decode and to show.
        redactor: takes the secrets out.
        tally: counts what was masked.
    """
    size = collected.size
    if not size and collected.missing != "file":  # a file's size may be known to the server alone
        return Body()
    try:
        text = _clean_text(collected, content_type, content_encoding, limits, redactor, tally)
    except _Withheld as why:
        return Body(size=size, withheld=str(why))
    shown, truncated = _cut(text, limits.max_bytes)
    return Body(shown, size, truncated)


def _clean_text(
    collected: Collected,
    content_type: str | None,
    content_encoding: str | None,
    limits: BodyLimits,
    redactor: Redactor,
    tally: Tally,
) -> str:
    if collected.missing is not None:
        raise _Withheld(collected.missing)
    if limits.max_bytes <= 0:
        raise _Withheld("switched-off")
    header = content_type or ""
    media_type = header.partition(";")[0].strip().lower()
    charset = _CHARSET.search(header) if ";" in header else None
    _require_text(media_type, has_charset=charset is not None)
    if len(collected.data) < collected.size:
        raise _Withheld("truncated")
    if not collected.whole:
        raise _Withheld("incomplete")
    data = _decoded(collected.data, content_encoding, limits.collect_bytes)
    text, codec = _text(data, charset[1] if charset else None, sniff=not media_type)
    try:
        garbled = codec not in _PLAIN and _garbled(data, text, redactor)
        clean = redactor.body(text, media_type, tally)
        clean = None if clean is None else redactor.echoes(clean, tally)
    except Exception:  # noqa: BLE001 - whatever a bug of ours does, a raw body is not shown
        raise _Withheld("redaction-failed") from None
    if garbled:
        raise _Withheld("charset")
    if clean is None:
        raise _Withheld("malformed" if media_type.endswith(("/json", "+json")) else "sensitive")
    return clean


def _require_text(media_type: str, *, has_charset: bool) -> None:
    if media_type.startswith("multipart/"):
        raise _Withheld("multipart")
    textual = (
        not media_type
        or has_charset
        or media_type.startswith("text/")
        or media_type.endswith(_TEXTUAL_ENDS)
        or media_type in _TEXTUAL
    )
    if not textual:
        raise _Withheld("binary")


def _decoded(data: bytes, content_encoding: str | None, most: int) -> bytes:
    """The bytes without their content-codings, never more than `most`."""
    codings = [each.strip().lower() for each in content_encoding.split(",")] if content_encoding else []
    codings = [each for each in codings if each not in ("", "identity")]
    if len(codings) > _MOST_CODINGS:
        raise _Withheld("content-coding")
    for coding in reversed(codings):
        if coding in ("gzip", "x-gzip"):
            data = _inflated(data, (31,), most)
        elif coding == "deflate":
            data = _inflated(data, (15, -15), most)  # RFC 9110 means zlib, some servers send raw
        else:
            raise _Withheld("content-coding")
    if len(data) > most:
        raise _Withheld("truncated")
    return data


def _inflated(data: bytes, windows: tuple[int, ...], most: int) -> bytes:
    window, *others = windows
    try:
        return _members(data, window, most)
    except zlib.error:
        if not others:
            raise _Withheld("content-coding") from None
    return _inflated(data, tuple(others), most)


def _members(data: bytes, window: int, most: int) -> bytes:
    """All members of a compressed body (gzip may have several), with bounded output."""
    pieces: list[bytes] = []
    room = most + 1  # one more than allowed tells "too much" from "just enough"
    while data:
        inflater = zlib.decompressobj(window)
        piece = inflater.decompress(data, room)
        pieces.append(piece)
        room -= len(piece)
        if room <= 0:
            raise _Withheld("truncated")
        if not inflater.eof:
            raise zlib.error("ends early")
        data = inflater.unused_data.lstrip(b"\0") if window == 31 else b""
    return b"".join(pieces)


def _text(data: bytes, charset: str | None, *, sniff: bool) -> tuple[str, str]:
    """The decoded text, and the codec that decoded it."""
    codec = None
    if data.startswith(_MARKS):
        codec = next(codec for mark, codec in _MARKED if data.startswith(mark))
    if codec is None:
        codec = _CODECS.get((charset or "utf-8").strip("'").lower().replace("_", "-"))
    if codec is None:
        raise _Withheld("charset")
    if sniff and b"\0" in data:
        raise _Withheld("binary")
    try:
        return data.decode(codec), codec
    except UnicodeError:
        raise _Withheld("binary" if sniff else "charset") from None


def _garbled(data: bytes, text: str, redactor: Redactor) -> bool:
    """Whether the bytes read as something sensitive that the text does not show.

    A wrong charset turns letters into others, and back for whoever knows the right one.
    """
    plain = data.replace(b"\0", b"").decode("latin-1")
    return redactor.suspects(plain) and not redactor.suspects(text)


def _cut(text: str, most: int) -> tuple[str, bool]:
    """The beginning of a text that fits into `most` bytes of UTF-8, and whether that is less."""
    if len(text) * 4 <= most:
        return text, False
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= most:
        return text, False
    while most and data[most] & 0xC0 == 0x80:
        most -= 1
    return data[:most].decode("utf-8", "surrogatepass"), True
