"""What is sent as the process ends."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

from spantap.otel.child_end import at_child_end

if TYPE_CHECKING:
    from spantap.otel.tap import Tap

_EXIT_SECONDS: Final = 5.0
_OPEN_SECONDS: Final = 0.25


def end_open(tap: Tap) -> None:
    """Let requests that are just ending end; what has begun to be answered is emitted as far as it came.

    The first records of a process take a while: it may have answered several, and none has come so far.
    """
    tap.wait_for_open(_OPEN_SECONDS)
    tap.processor.settle_open()


def finish(tap: Tap, timeout: float) -> bool:
    """The provider stops us, perhaps before anybody else hears of the end: nothing may be open or unfinished.

    Args:
        tap: whose processor is stopped.
        timeout: seconds for what is being finished.

    Returns:
        Whether that was done in time.
    """
    end_open(tap)
    return tap.finished(timeout)


def deliver(tap: Tap) -> bool:
    """Send everything, 5 seconds at most, less if that failed just now.

    Args:
        tap: of the process that ends.

    Returns:
        Whether everything was sent in time.
    """
    end_open(tap)
    return tap.flush(1.0 if tap.gave_up_lately else _EXIT_SECONDS)


def deliver_at_child_end(tap: Tap) -> None:
    """Do so if this process ends as a child of `multiprocessing`: it hears of its end in no other way."""
    _serving.add(tap)
    at_child_end(_deliver_all, first=True)


_serving: weakref.WeakSet[Tap] = weakref.WeakSet()


def _deliver_all() -> None:
    for tap in list(_serving):
        deliver(tap)  # whoever sends what is left then says what could not be sent
