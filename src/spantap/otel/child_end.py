"""The end of a child of `multiprocessing`: it skips `atexit`. granian's workers are such, and hypercorn's."""

from __future__ import annotations

import multiprocessing.util
import os
from collections.abc import Callable

# What is called, and in which process: a child forgets what was registered before it began.
_registered: dict[Callable[[], None], int] = {}


def at_child_end(call: Callable[[], None], *, first: bool = False) -> None:
    """Call it when this process ends as such a child; once for each process, whoever asks how often.

    Args:
        call: a function; must bound its own time.
        first: before those that are not.
    """
    if _registered.get(call) != os.getpid():
        _registered[call] = os.getpid()
        multiprocessing.util.Finalize(None, call, exitpriority=1 if first else 0)
