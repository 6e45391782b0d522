"""What is not as it should be yet, in one place. Each line is to go."""

from __future__ import annotations

from typing import Final

# Useful shape -> why its body is withheld. The test fails when it is shown after all: take the line out then.
WITHHELD: Final[dict[str, str]] = {}
# Secrets that leak although they must not.
LEAKING: Final[frozenset[str]] = frozenset()


def figures(secrets: int, leaked: int, captured: int, shapes: int) -> str:
    """The sums, as `docs/privacy.md` has them."""
    return f"**{leaked} of {secrets} planted secrets leaked; {captured} of {shapes} useful shapes captured**"
