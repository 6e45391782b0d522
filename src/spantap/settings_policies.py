"""The row of destinations' policies, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spantap.policy.policies import PolicyFor, parse
from spantap.settings_row import Kind, row

POLICIES: Final = Kind(
    "a table of policies by destination; in the environment destination: word=value, one a line or "
    "separated by ;",
    parse,
)


@dataclass(frozen=True)
class PolicySettings:
    """The row; `spantap.settings.Settings` has them all."""

    policies: tuple[PolicyFor, ...] = row(
        (), POLICIES, "Which exchanges each destination gets, and which fields of them; docs/policies.md."
    )
