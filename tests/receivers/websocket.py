"""A WebSocket collector that can be told how to fail: written with nothing of spantap but its TLS socket."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from spantap.export.tls_socket import SharedTLSSocket


class WebSocketReceiver:
    """Keeps what it is sent.

    Attributes:
        url: where it listens.
        handshakes: the header fields of each connection.
        messages: every message taken, decoded, in order.
        confirms: whether it sends acks.
        rejects: span ids it will not have.
        status: answers handshakes with it, when set.
        location: where handshakes are sent to, when set.
        breaks: connections to be torn down, after so many messages each.
        leaves: connections to be closed properly, after so many messages each.
        closes: connections to be closed with this code, each after its first message.
        together: confirms when nothing has come for so many seconds, all at once.
        most_unconfirmed: records that had come when it did, at most.
    """

    def __init__(self) -> None:
        self.url = ""
        self.handshakes: list[dict[str, str]] = []
        self.messages: list[Any] = []
        self.confirms = True
        self.rejects: set[str] = set()
        self.status: HTTPStatus | None = None
        self.location: str | None = None
        self.breaks: list[int] = []
        self.leaves: list[int] = []
        self.closes: list[int] = []
        self.together = 0.0
        self.most_unconfirmed = 0

    def answer(self, connection: ServerConnection, request: Any) -> Any:
        """Called with each handshake."""
        self.handshakes.append({name.lower(): value for name, value in request.headers.raw_items()})
        if self.location is not None:
            response = connection.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = self.location
            return response
        return None if self.status is None else connection.respond(self.status, "as the test says")

    def talk(self, connection: ServerConnection) -> None:
        """Called with each connection."""
        most = self.breaks.pop(0) if self.breaks else None
        leaves = self.leaves.pop(0) if self.leaves else None
        code = self.closes.pop(0) if self.closes else None
        try:
            for count, text in enumerate(connection):
                if code is not None:
                    connection.close(code)
                    return
                if count == most:
                    connection.close_socket()
                    return
                if count == leaves:
                    connection.close(1001)
                    return
                message = json.loads(text)
                self.messages.append(message)
                if self.together and "span_id" in message:
                    self._hold(connection, message)
                    continue
                if self.confirms and "span_id" in message:
                    word = "reject" if message["span_id"] in self.rejects else "ack"
                    connection.send(json.dumps({word: [message["span_id"]]}))
        except ConnectionClosed:
            pass  # the client has gone

    def _hold(self, connection: ServerConnection, message: Any) -> None:
        held = [message["span_id"]]
        with suppress(TimeoutError):
            while True:
                self.messages.append(json.loads(connection.recv(timeout=self.together)))
                held.append(self.messages[-1]["span_id"])
        self.most_unconfirmed = max(self.most_unconfirmed, len(held))
        connection.send(json.dumps({"ack": held}))

    @property
    def ids(self) -> list[str]:
        """The span ids of the records taken, in order."""
        return [each["span_id"] for each in self.messages if "span_id" in each]


@contextmanager
def receiving(
    port: int = 0, tls: ssl.SSLContext | None = None, largest: int = 1_000_000
) -> Iterator[WebSocketReceiver]:
    """A receiver on a loopback port."""
    if tls is not None:
        tls.sslsocket_class = SharedTLSSocket  # `websockets` reads in one thread and writes in another
    receiver = WebSocketReceiver()
    with serve(
        receiver.talk,
        "127.0.0.1",
        port,
        ssl=tls,
        process_request=receiver.answer,
        max_size=largest,
        close_timeout=1,
    ) as server:
        scheme = "ws" if tls is None else "wss"
        receiver.url = f"{scheme}://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
    thread.join(5)
