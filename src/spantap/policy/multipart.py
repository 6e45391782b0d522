"""What may be shown of ``multipart/form-data``: fields, and what files are called and how large they are.

It is written as JSON, a member for each part in their order::

    [{"name": "title", "value": "Cats"},
     {"name": "photo", "filename": "cat.png", "content_type": "image/png", "size": 48211}]

A field whose value cannot be told has ``size`` and ``withheld`` instead of ``value``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from spantap.capture.multipart import FormReader, Part
from spantap.capture.recorder import CollectedForm
from spantap.model import Collected
from spantap.policy.charsets import CHARSET, text_of
from spantap.policy.codings import decoded
from spantap.policy.redact import Redactor, Tally
from spantap.policy.withheld import Withheld

_BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"\\]+)\"|([^\s;\"]+))", re.IGNORECASE)


def parts_of(
    collected: Collected, content_type: str, content_encoding: str | None, most: int
) -> Sequence[Part]:
    """The parts of a form.

    Args:
        collected: its bytes, or its parts if it was longer than the cap.
        content_type: the header's value.
        content_encoding: the header's value.
        most: bytes of names and values to read at most.

    Raises:
        Withheld: they are not all known, or cannot be told apart.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise Withheld("malformed")
    delimiter = (boundary[1] or boundary[2]).encode("latin-1", "replace")
    if isinstance(collected, CollectedForm):
        if collected.boundary != delimiter or content_encoding:
            raise Withheld("malformed")
        if collected.failed:
            raise Withheld(collected.failed)
        return collected.parts
    if len(collected.data) < collected.size:
        raise Withheld("truncated")
    form = FormReader(delimiter, most)
    form.feed(decoded(collected.data, content_encoding, most))
    if form.failed or not form.ended:
        raise Withheld(form.failed or "malformed")
    return form.parts


def shown(parts: Sequence[Part], redactor: Redactor, tally: Tally) -> str:
    """The parts as JSON text without secrets."""
    values: list[str | None] = [_value(part, redactor) for part in parts]
    told = [
        value if value is not None else part.filename or "" for part, value in zip(parts, values, strict=True)
    ]
    names = [part.name or "" for part in parts]
    clean = redactor.fields(list(zip(names, told, strict=True)), tally)
    members = []
    for part, value, field in zip(parts, values, clean, strict=True):
        if field is None:
            continue  # dropped by a rule
        name, text = field
        member: dict[str, Any] = {} if part.name is None else {"name": name}
        if part.filename is not None:
            member["filename"] = text
        if part.content_type is not None and value is None:
            member["content_type"] = redactor.text(part.content_type, tally)
        if value is not None:
            member["value"] = text
        else:
            member["size"] = part.size
            if part.filename is None:
                member["withheld"] = "charset" if part.value is not None else "unclear"
        members.append(member)
    return orjson.dumps(members).decode()


def _value(part: Part, redactor: Redactor) -> str | None:
    """A field's text; None for files, and for what is not certainly text."""
    if part.value is None:
        return None
    kind = (part.content_type or "").lower()
    charset = CHARSET.search(kind)
    try:
        return text_of(
            part.value,
            charset[1] if charset else None,
            redactor,
            json_text=kind.startswith("application/json"),
        )
    except Withheld:
        return None
