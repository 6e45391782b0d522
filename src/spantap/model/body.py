"""What was kept of a message body, and why anything is missing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Body:
    """One message body as we may show it: decoded, redacted, cut.

    Attributes:
        content: text when the media type is textual, bytes otherwise; None when nothing
            is kept. The content-coding is removed; never base64, never a parsed structure
            (the rules of ``http.request.body.content`` in the semantic conventions).
        size: bytes that went over the wire, content-coding and all; what the app or the
            client did not read is not counted.
        truncated: content is only the beginning of what passed.
        withheld: why content is None although something passed (``binary``, ``malformed``,
            ``truncated``, ``multipart``, ``sensitive``, ``switched-off``, ...).
    """

    content: str | bytes | None = None
    size: int = 0
    truncated: bool = False
    withheld: str | None = None


EMPTY_BODY = Body()
