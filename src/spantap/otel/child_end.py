"""The end of a child of `multiprocessing`: it skips `atexit`. granian's workers are such, and hypercorn's."""

from __future__ import annotations

import multiprocessing.util
import os
from collections.abc import Callable

_registered = 0  # the process it was last done in: a child forgets what was registered before it began


def at_child_end(call: Callable[[], None]) -> None:
    """Call it when this process ends as such a child; once for each process, whoever asks how often."""
    global _registered  # once per process
    if _registered != os.getpid():
        _registered = os.getpid()
        multiprocessing.util.Finalize(None, call, exitpriority=0)
