"""What is sent as the process ends."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

from spantap.otel.child_end import at_child_end

if TYPE_CHECKING:
    from spantap.otel.tap import Tap

_EXIT_SECONDS: Final = 5.0
_OPEN_SECONDS: Final = 0.25


def deliver(tap: Tap) -> bool:
    """Send everything, 5 seconds at most, less if that failed just now.

    What has begun to be answered is emitted as far as it came: granian, for one, closes no response before
    it has time for that.

    Args:
        tap: of the process that ends.

    Returns:
        Whether everything was sent in time.
    """
    tap.wait_for_open(_OPEN_SECONDS)
    tap.processor.settle_open()
    return tap.flush(1.0 if tap.gave_up_lately else _EXIT_SECONDS)


def deliver_at_child_end(tap: Tap) -> None:
    """Do so if this process ends as a child of `multiprocessing`: it hears of its end in no other way."""
    _serving.add(tap)
    at_child_end(_deliver_all, first=True)


_serving: weakref.WeakSet[Tap] = weakref.WeakSet()


def _deliver_all() -> None:
    for tap in list(_serving):
        deliver(tap)  # whoever sends what is left then says what could not be sent
