"""What every shape needs to redact: the names, the prefilter, and how a value inside a value is cleaned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import re2

from spantap.policy.redact.keys import SensitiveNames
from spantap.policy.redact.prefilter import Prefilter
from spantap.policy.redact.ruled import Ruled
from spantap.policy.redact.tally import Tally

DEEPEST: Final = 6  # JSON in a URL in JSON ...: what is nested deeper is masked unread


class CleanValue(Protocol):
    """Cleans a string found inside something else: it may be JSON, a URL, or words."""

    def __call__(self, text: str, tally: Tally, depth: int, mask: str) -> str:
        """The clean string; the same object when nothing was masked."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One redactor's rules, shared by all shapes.

    Attributes:
        names: the sensitive names.
        prefilter: whether there is anything to do.
        value: cleans a nested string.
        hidden_headers: finds the lower-case names of headers whose values are masked whole.
        header_kinds: header name -> how its values are treated, as far as decided; only ever
            added to, and bounded.
        ruled: the user's rules for query strings in URLs, wherever these stand; None when there are none.
    """

    names: SensitiveNames
    prefilter: Prefilter
    value: CleanValue
    hidden_headers: Any = None
    header_kinds: dict[str, str] = field(default_factory=dict)
    ruled: Ruled | None = None


def compile_names(expressions: Iterable[str]) -> Any:
    """One expression for all of them, in any case; None when there are none."""
    alternatives = "|".join(f"(?:{each})" for each in expressions)
    return re2.compile(f"(?i:{alternatives})") if alternatives else None
