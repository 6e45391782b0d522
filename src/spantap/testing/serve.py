"""Serves an app, captured or not, until its standard input ends.

``python -m spantap.testing.serve SERVER [--app MODULE:NAME] [--capture]`` prints its port.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from spantap.testing.servers import ASGI, BINDS_ITSELF, WSGI

PLAYERS: Final = {"asgi": "spantap.testing.players:asgi", "wsgi": "spantap.testing.players:wsgi"}
_APP: Final = "SPANTAP_TESTING_APP"
_CAPTURE: Final = "SPANTAP_TESTING_CAPTURE"


def make() -> Any:
    """The callable a server gets, as the environment names it."""
    module, _, name = os.environ[_APP].partition(":")
    app = getattr(importlib.import_module(module), name)
    if os.environ.get(_CAPTURE):
        import spantap

        app = spantap.instrument_app(app)
    return app


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """For servers that import what they serve, in a process of their own."""
    global _made
    if _made is None:
        _made = make()
    await _made(scope, receive, send)


_made: Any = None


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("server", choices=[*ASGI, *WSGI])
    parser.add_argument("--app")
    parser.add_argument("--capture", action="store_true")
    wanted = parser.parse_args()
    protocol = "asgi" if wanted.server in ASGI else "wsgi"
    # In the environment, because some servers import the app in a process of their own.
    os.environ[_APP] = wanted.app or PLAYERS[protocol]
    if wanted.capture:
        os.environ[_CAPTURE] = "yes"
    sys.path.insert(0, str(Path.cwd()))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    if wanted.server not in BINDS_ITSELF:
        listener.listen(128)
    print(listener.getsockname()[1], flush=True)
    {**ASGI, **WSGI}[wanted.server](make, listener, _at_end_of_input)


def _at_end_of_input(stop: Callable[[], object]) -> None:
    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        stop()

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()
