"""What may be shown of ``multipart/form-data``: fields, and what files are called and how large they are.

It is written as JSON, a member for each part in their order::

    [{"name": "title", "value": "Cats"},
     {"name": "photo", "filename": "cat.png", "content_type": "image/png", "size": 48211}]

A field whose value cannot be told has ``size`` and ``withheld`` instead of ``value``. Of a form
that was cut, the parts are those that passed; the last one may be ``incomplete``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from spantap.capture.multipart import FormReader, Part
from spantap.capture.recorder import CollectedForm
from spantap.model import Collected
from spantap.policy.charsets import CHARSET, text_of
from spantap.policy.codings import decoded
from spantap.policy.redact import Redactor, Tally
from spantap.policy.withheld import Withheld

_BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"\\]+)\"|([^\s;\"]+))", re.IGNORECASE)


class Form(NamedTuple):
    """The parts of a form, and whether there were more, or more of the last one."""

    parts: Sequence[Part]
    cut: bool


def form_of(collected: Collected, content_type: str, content_encoding: str | None, most: int) -> Form:
    """A form, as far as it passed.

    Args:
        collected: its bytes, or its parts if it was longer than the cap.
        content_type: the header's value.
        content_encoding: the header's value.
        most: bytes of names and values to read at most.

    Raises:
        Withheld: there is no part, or they cannot be told apart.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise Withheld("malformed")
    delimiter = (boundary[1] or boundary[2]).encode("latin-1", "replace")
    if isinstance(collected, CollectedForm):
        if collected.boundary != delimiter or content_encoding:
            raise Withheld("malformed")
        failed, parts, ended = collected.failed, collected.parts, collected.ended
        cut = not collected.whole
    else:
        cut = not collected.whole or len(collected.data) < collected.size
        data, cut = decoded(collected.data, content_encoding, most, cut=cut)
        reader = FormReader(delimiter, most)
        reader.feed(data)
        failed, parts, ended = reader.failed, tuple(reader.parts), reader.ended
    if failed not in (None, "truncated"):
        raise Withheld(failed)
    if not parts and not ended:
        raise Withheld(
            failed or ("malformed" if not cut else "truncated" if collected.whole else "incomplete")
        )
    return Form(parts, not ended)


def shown(form: Form, redactor: Redactor, tally: Tally) -> str:
    """The parts as JSON text without secrets."""
    parts = form.parts
    values: list[str | None] = [_value(part, redactor) for part in parts]
    told = [
        value if value is not None else part.filename or "" for part, value in zip(parts, values, strict=True)
    ]
    names = [part.name or "" for part in parts]
    # Whether a `code` is an authorization code, a part that is missing might tell.
    missing = [("state", "")] if form.cut else []
    clean = redactor.fields([*zip(names, told, strict=True), *missing], tally)[: len(parts)]
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
            if part.filename is None or not part.whole:
                member["withheld"] = _why(part)
        members.append(member)
    return orjson.dumps(members).decode()


def _why(part: Part) -> str:
    if not part.whole:
        return "incomplete"
    return "unclear" if part.value is None else "charset"


def _value(part: Part, redactor: Redactor) -> str | None:
    """A field's text; None for files, and for what is not certainly text."""
    if part.value is None or not part.whole:
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
