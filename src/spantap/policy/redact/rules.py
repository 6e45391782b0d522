"""What every shape needs to redact: the names, the prefilter, and how a value inside a value is cleaned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from spantap.policy.redact.keys import SensitiveNames
from spantap.policy.redact.prefilter import Prefilter
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
        header_kinds: header name -> how its values are treated, as far as decided; only ever
            added to, and bounded.
    """

    names: SensitiveNames
    prefilter: Prefilter
    value: CleanValue
    header_kinds: dict[str, str] = field(default_factory=dict)
