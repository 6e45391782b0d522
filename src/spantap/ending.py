"""However the process ends, what is queued is delivered first, within a bound.

Three ways, because no one covers all: `atexit`; the signal that ends a process which does not
handle it (SIGTERM); and uvicorn, which restores the default handler and raises the signal anew
when it has shut down. ASGI's ``lifespan.shutdown`` is seen by the door itself, the end of a
`multiprocessing` child, which skips `atexit`, by the queues.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import wrapt

from spantap.guard import logger, report

Finish = Callable[[], object]

_finish: list[Finish] = []
_hooked = False


def at_end(finish: Finish) -> None:
    """Call it when the process ends; it must bound its own time, and may be called more than once."""
    global _hooked  # once per process
    _finish.append(finish)
    if _hooked:
        return
    _hooked = True
    atexit.register(_run)
    wrapt.register_post_import_hook(_uvicorn, "uvicorn.server")
    _chain_sigterm()


def forget(finish: Finish) -> None:
    """Do not call it any more."""
    if finish in _finish:
        _finish.remove(finish)


def _run() -> None:
    logger.debug("the process ends: delivering what is queued")
    for finish in _finish.copy():
        try:
            finish()
        except Exception as error:  # noqa: BLE001 - our bug must not spoil the app's exit
            report("delivering at the end", error)


def _chain_sigterm() -> None:
    """Deliver, then die of the signal as the process would have; only where nobody handles it."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return  # whoever handles it ends the process in a way we hear of

    def deliver_and_die(number: int, frame: FrameType | None) -> None:
        _run()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, deliver_and_die)


def _uvicorn(module: Any) -> None:
    original = module.Server.shutdown

    @functools.wraps(original)
    async def shutdown(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await original(self, *args, **kwargs)
        finally:
            await asyncio.get_running_loop().run_in_executor(None, _run)

    module.Server.shutdown = shutdown
