"""Serve an ASGI app on the loopback for as long as a ``with`` block lasts."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from spantap.model import SpantapError

if TYPE_CHECKING:
    import uvicorn

_PATIENCE = 10.0  # seconds for the server to start, and again to stop


class ServerError(SpantapError):
    """The server ended, or said nothing for too long, before it took requests."""


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Run the app under uvicorn on a thread of its own and a port the system picks.

    Yields:
        The base URL. When the block ends, running requests are finished and the server stopped.

    Raises:
        ServerError: no request was sent; nothing is left running.
    """
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listener:
        # No log: an app that fails on purpose would fill the terminal with its traceback.
        config = uvicorn.Config(app, log_config=None, log_level="critical", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=_run, args=(server, listener), name="demo-server", daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield "http://{}:{}".format(*listener.getsockname())
        finally:
            server.should_exit = True
            thread.join(_PATIENCE)


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    with suppress(SystemExit):  # how uvicorn says that the app failed to start
        server.run(sockets=[listener])


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    give_up = time.monotonic() + _PATIENCE
    while not server.started:
        if not thread.is_alive() or time.monotonic() > give_up:
            raise ServerError("spantap: the server of the demo did not start")
        time.sleep(0.01)
