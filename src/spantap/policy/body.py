"""Collected bytes in, a clean `Body` out: decoded, redacted, then cut."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from spantap.model import Body, Collected
from spantap.policy import multipart
from spantap.policy.bounds import cut
from spantap.policy.charsets import CHARSET, text_of
from spantap.policy.codings import decoded
from spantap.policy.redact import Redactor, Tally
from spantap.policy.withheld import Withheld

_MARGIN: Final = 4096
_LONGEST: Final = 100  # characters of a Content-Type that is remembered

_TEXTUAL: Final = frozenset({
    "application/x-www-form-urlencoded", "application/javascript", "application/x-javascript",
    "application/ecmascript", "application/graphql", "application/ndjson", "application/x-ndjson",
    "application/jsonl", "application/x-jsonlines", "application/jsonlines", "application/json-seq",
    "application/json5", "application/sql", "application/x-sh", "application/toml", "application/x-yaml",
})  # fmt: skip
# A form with files that is called something else: names and values stand on different lines.
_FORM_PART = re.compile(r"content-disposition\s*:\s*form-data", re.IGNORECASE)
_TEXTUAL_ENDS: Final = ("/json", "+json", "/xml", "+xml", "/yaml", "+yaml")


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
        clean = _clean_text(collected, content_type, content_encoding, limits, redactor, tally)
    except Withheld as why:
        return Body(size=size, withheld=str(why))
    except Exception:  # noqa: BLE001 - whatever a bug of ours does, a raw body is not shown
        return Body(size=size, withheld="redaction-failed")
    shown, truncated = cut(clean.text, limits.max_bytes)
    return Body(shown, size, truncated or clean.cut)


class _Clean(NamedTuple):
    """What may be shown, and whether that is only the beginning."""

    text: str
    cut: bool


def _clean_text(
    collected: Collected,
    content_type: str | None,
    content_encoding: str | None,
    limits: BodyLimits,
    redactor: Redactor,
    tally: Tally,
) -> _Clean:
    if collected.missing is not None:
        raise Withheld(collected.missing)
    if limits.max_bytes <= 0:
        raise Withheld("switched-off")
    header = content_type or ""
    media_type, charset, textual = (_media if len(header) <= _LONGEST else _media.__wrapped__)(header)
    if media_type == "multipart/form-data":
        form = multipart.form_of(collected, header, content_encoding, limits.collect_bytes)
        text = multipart.shown(form, redactor, tally)
        return _Clean(redactor.echoes(text, tally, cut=form.cut), form.cut)
    if not textual:
        raise Withheld("multipart" if media_type.startswith("multipart/") else "binary")
    cut = not collected.whole or len(collected.data) < collected.size
    data, cut = decoded(collected.data, content_encoding, limits.collect_bytes, cut=cut)
    is_json = media_type.endswith(("/json", "+json"))
    text = text_of(data, charset, redactor, sniff=not media_type, json_text=is_json, cut=cut)
    if "form-data" in text.lower() and _FORM_PART.search(text) and redactor.suspects(text):
        raise Withheld("multipart")
    clean = redactor.body(text, media_type, tally, cut=cut)
    if clean is None:
        raise Withheld("malformed" if is_json else "sensitive")
    clean = redactor.echoes(clean, tally, cut=cut)
    if cut and not clean.strip():
        raise Withheld("incomplete" if not collected.whole else "truncated")
    return _Clean(clean, cut)


class _Media(NamedTuple):
    """What a Content-Type says."""

    media_type: str
    charset: str | None
    textual: bool


@functools.lru_cache(maxsize=256)
def _media(header: str) -> _Media:
    media_type = header.partition(";")[0].strip().lower()
    found = CHARSET.search(header) if ";" in header else None
    textual = not media_type.startswith("multipart/") and (
        not media_type
        or found is not None
        or media_type.startswith("text/")
        or media_type.endswith(_TEXTUAL_ENDS)
        or media_type in _TEXTUAL
    )
    return _Media(media_type, found[1] if found else None, textual)
