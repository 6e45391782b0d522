"""A server that writes bytes as it is told, waits when it is told, and breaks off when it is told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

Step = bytes | threading.Event | Callable[[socket.socket], Any]


def reset(connection: socket.socket) -> None:
    """A step: the connection ends with a reset instead of a proper end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class RawServer:
    """Runs from `with` to its end. Each connection is one request without a body, and these steps.

    Attributes:
        asked: set when a request has come.
        over: set at the end; a step that waits for it waits for as long as there is a server.
    """

    def __init__(self, *steps: Step) -> None:
        self.asked = threading.Event()
        self.over = threading.Event()
        self._steps: Sequence[Step] = steps
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.over.set()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += connection.recv(4096)
            self.asked.set()
            try:
                for step in self._steps or (self.over,):
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif isinstance(step, threading.Event):
                        step.wait(60)
                    else:
                        step(connection)
            except OSError:
                return  # the client has gone
