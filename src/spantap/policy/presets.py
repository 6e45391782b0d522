"""Named amounts of capture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Preset:
    """What a preset switches on.

    Attributes:
        body_max_bytes: decoded bytes shown of each body.
        bodies, headers, query: whether these are captured at all.
    """

    body_max_bytes: int
    bodies: bool = True
    headers: bool = True
    query: bool = True


PRESETS: Final = {
    # Fits two bodies a span into 4 MiB batches of 512 spans with room to spare.
    "default": Preset(16 * 1024),
    # For backends with small attributes.
    "portable": Preset(2 * 1024),
    "full": Preset(64 * 1024),
    # Who called what, when, and what came of it; nothing of what was said.
    "metadata": Preset(0, bodies=False, headers=False, query=False),
}
