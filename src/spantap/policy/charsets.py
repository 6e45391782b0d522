"""Bytes to text, by the charset the message names or the bytes show."""

from __future__ import annotations

import codecs
import json
import re
from typing import Final

from spantap.policy.redact import Redactor
from spantap.policy.withheld import Withheld

CHARSET = re.compile(r";\s*charset\s*=\s*\"?\s*([^\s\";]*)", re.IGNORECASE)
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


def text_of(
    data: bytes,
    charset: str | None,
    redactor: Redactor,
    *,
    sniff: bool = False,
    json_text: bool = False,
    cut: bool = False,
) -> str:
    """The text that bytes are.

    Args:
        data: whole characters, but for the last one when it was cut.
        charset: the parameter of the media type; a byte order mark overrules it.
        redactor: looks whether a wrong charset hides something.
        sniff: nobody says that it is text.
        json_text: JSON without a charset is UTF-8, UTF-16 or UTF-32, told by its zeros.
        cut: whether the data is only the beginning.

    Raises:
        Withheld: ``charset``: unknown, or not that of these bytes. ``binary``: no text.
    """
    codec: str | None
    if data.startswith(_MARKS):
        codec = next(codec for mark, codec in _MARKED if data.startswith(mark))
    elif json_text and charset is None and b"\0" in data[:4]:
        codec = json.detect_encoding(data)
    elif sniff and b"\0" in data:
        raise Withheld("binary")
    elif not charset:
        codec = "utf-8"
    else:
        codec = _CODECS.get(charset.strip("'").lower().replace("_", "-"))
        if codec is None:
            raise Withheld("charset")
    try:
        # An incremental decoder waits for the rest of the last character.
        text = codecs.getincrementaldecoder(codec)().decode(data) if cut else data.decode(codec)
    except UnicodeError:
        raise Withheld("binary" if sniff else "charset") from None
    if (codec not in _PLAIN or "\0" in text) and _garbled(data, text, redactor):
        raise Withheld("charset")
    return text


def _garbled(data: bytes, text: str, redactor: Redactor) -> bool:
    """Whether the bytes read as something sensitive that the text does not show.

    A wrong charset turns letters into others, and back for whoever knows the right one.
    """
    plain = data.replace(b"\0", b"").decode("latin-1")
    return redactor.suspects(plain) and not redactor.suspects(text)
