"""When locks and threads have to be made anew: in the child after a fork, and when gevent replaces them.

gevent's patch changes what `threading` makes from then on. A lock from before still belongs to the whole
thread: to all greenlets at once, which would let go of it for each other. Under `opentelemetry-instrument`,
and where a gunicorn master has loaded the app, ours are from before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import wrapt

from spantap.guard import report

_resets: list[Callable[[], None]] = []
_idle: list[Callable[[], bool]] = []


def made_anew(reset: Callable[[], None], idle: Callable[[], bool] = lambda: True) -> None:
    """Have something reset in such a moment.

    Args:
        reset: makes it as it was at first.
        idle: whether it has done nothing yet. If anything has, a patch resets nothing: it came too late, and
            what is under way would be lost.
    """
    if not _resets:
        wrapt.register_post_import_hook(_subscribe, "gevent.events")
    _resets.append(reset)
    _idle.append(idle)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)


def _subscribe(events: Any) -> None:
    def patched(event: object) -> None:
        if isinstance(event, events.GeventWillPatchEvent):
            _load_loop()
        if not isinstance(event, events.GeventDidPatchAllEvent):
            return
        try:
            if all(idle() for idle in _idle):
                for reset in _resets:
                    reset()
        except Exception as error:  # noqa: BLE001 - gevent would let it reach the app
            report("making locks anew", error)

    events.subscribers.append(patched)


def _load_loop() -> None:
    """Import what gevent's hubs are made of, while locks are still those of threads.

    Each thread that meets a patched lock makes a hub, and importing takes locks: a worker of ours and the
    main thread, both at their first hub, would wait for each other for ever.
    """
    try:
        config: Any = sys.modules["gevent"].config
        _ = config.loop, config.format_context  # imported by whoever asks first
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the app will hear of it from gevent
        report("loading gevent's loop", error)
