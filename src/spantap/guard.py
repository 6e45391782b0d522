"""Our own failure never becomes the app's: it is logged once and the app goes on.

Redaction does the opposite of going on: what fails there is withheld by its caller, so a
guard around it may swallow the error without letting a raw value through.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger("spantap")

_seen: set[tuple[str, str, int]] = set()
_lock = threading.RLock()  # reentrant: a signal handler may come in between
_MOST = 1000  # distinct failures remembered; more than that and the log would be the problem


def report(doing: str, error: BaseException) -> None:
    """Log a failure of ours, once per place and kind.

    The message of the error is left out: it may quote what the app handled. Its class and
    the line it came from are enough to find it.

    Args:
        doing: what we were about, for the reader of the log ("recording a request").
        error: what happened.
    """
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    line = place.tb_lineno if place is not None else 0
    where = place.tb_frame.f_code.co_filename if place is not None else "?"
    key = (doing, f"{where}:{type(error).__qualname__}", line)
    with _lock:
        if key in _seen or len(_seen) >= _MOST:
            return
        _seen.add(key)
    logger.error(
        "spantap failed while %s: %s at %s:%d; the app is not affected, this is logged once",
        doing,
        type(error).__qualname__,
        where,
        line,
    )


def quietly(call: Callable[[], None], doing: str) -> None:
    """Call it; what it raises is reported and goes no further.

    Args:
        call: what to call.
        doing: what that is, as for `report`.
    """
    try:
        call()
    except Exception as error:  # noqa: BLE001 - that is the point
        report(doing, error)
