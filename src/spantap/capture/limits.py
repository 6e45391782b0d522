"""How much of an exchange is worth keeping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Collected beyond what is shown: a value that straddles the cut is still seen whole by
# redaction, which runs on everything collected, before the cut.
MARGIN: Final = 4096


@dataclass(frozen=True, slots=True)
class CaptureLimits:
    """Bounds of one exchange, in bytes and counts.

    Attributes:
        request_body: most decoded bytes of the request body that are shown; 0 shows none.
        response_body: the same for the response.
        headers: most header values a message keeps; the rest is counted.
        header_bytes: most bytes of names and values a message keeps; the rest is counted.
    """

    request_body: int = 16 * 1024
    response_body: int = 16 * 1024
    headers: int = 40
    header_bytes: int = 8 * 1024

    @property
    def collect_request(self) -> int:
        """Raw bytes of the request body to hold until the pipeline has run."""
        return self.request_body + MARGIN if self.request_body else 0

    @property
    def collect_response(self) -> int:
        """Raw bytes of the response body to hold until the pipeline has run."""
        return self.response_body + MARGIN if self.response_body else 0
