"""Which doors and modes a test is for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts.inbound.placements import MODES, WITHOUT_US


def doors(*modes: str, only: Callable[[str, str], bool] = lambda door, mode: True) -> pytest.MarkDecorator:
    """Parametrize with ``door`` and ``mode``.

    Args:
        modes: these, where the door has them; all with spantap in place when none are named.
        only: says no to pairs that are not wanted.
    """
    pairs = [
        (door, mode)
        for door, offered in MODES.items()
        for mode in offered
        if (mode in modes if modes else mode not in (*WITHOUT_US, "switched")) and only(door, mode)
    ]
    return pytest.mark.parametrize(("door", "mode"), pairs, ids=["-".join(pair) for pair in pairs])
