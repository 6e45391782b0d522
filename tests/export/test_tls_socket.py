"""TLS both ways at once: a thread reads while another writes, as `websockets.sync` does."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from certificates import Authority
from receivers.websocket import receiving
from spantap.export.tls_socket import SharedTLSSocket, client_context
from spantap.export.websocket import WebSocketSink
from store_writer import numbered

SIZE = 4_000_000
WAIT = 60.0


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A port whose TLS connections say what they are told, and the authority that vouches for it.

    Each connection is one thread's alone, whose reading and writing take turns: what breaks is the client's.
    """
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve() -> None:
            while True:
                try:
                    accepted = listening.accept()[0]
                except OSError:
                    return
                threading.Thread(target=_say_again, args=(accepted, context), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1], authority.certificate
        listening.shutdown(socket.SHUT_RDWR)


def _say_again(accepted: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError), context.wrap_socket(accepted, server_side=True) as connection:
        while said := connection.recv(65536):
            connection.sendall(said)


def connected(echo: tuple[int, Path]) -> ssl.SSLSocket:
    port, certificate = echo
    plain = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
    return client_context(certificate).wrap_socket(plain, server_hostname="127.0.0.1")


def test_reads_and_writes_at_once(echo: tuple[int, Path]) -> None:
    """What two threads send and receive at once arrives whole, in order, on each of many connections."""
    sent = os.urandom(SIZE)
    for _ in range(5):
        with connected(echo) as connection, ThreadPoolExecutor(1) as beside:
            assert isinstance(connection, SharedTLSSocket)
            sending = beside.submit(connection.sendall, sent)
            heard = bytearray()
            while len(heard) < SIZE and (part := connection.recv(65536)):
                heard += part
            sending.result(WAIT)
        assert hashlib.sha256(heard).digest() == hashlib.sha256(sent).digest()


def test_waits_as_long_as_it_was_told(echo: tuple[int, Path]) -> None:
    """A read of which nothing comes ends with its time, and one without a limit when something comes."""
    with connected(echo) as connection:
        assert connection.gettimeout() == WAIT
        connection.settimeout(0.05)
        assert connection.gettimeout() == 0.05
        with pytest.raises(TimeoutError):
            connection.recv(10)
        connection.settimeout(None)
        with ThreadPoolExecutor(1) as beside:
            reading = beside.submit(connection.recv, 10)
            connection.sendall(b"now")
            assert reading.result(WAIT) == b"now"


def test_ends_for_one_that_reads(echo: tuple[int, Path]) -> None:
    """Who waits for data on a connection that another thread shuts down learns of its end."""
    with connected(echo) as connection, ThreadPoolExecutor(1) as beside:
        connection.settimeout(None)
        reading = beside.submit(connection.recv, 10)
        connection.shutdown(socket.SHUT_RDWR)
        with suppress(ConnectionError):  # when the other side was quicker to break off
            assert reading.result(WAIT) == b""


def test_the_websocket_destination_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to a ``wss://`` collector are of this kind."""
    made: list[bool] = []
    handshake = SharedTLSSocket.do_handshake

    def noted(self: SharedTLSSocket, block: bool = False) -> None:
        made.append(self.server_side)
        handshake(self, block)

    monkeypatch.setattr(SharedTLSSocket, "do_handshake", noted)
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    with receiving(tls=context) as receiver:
        sink = WebSocketSink(receiver.url, certificate=authority.certificate)
        sink.write([numbered(1)])
        sink.close()
        assert len(receiver.messages) == 1
    assert False in made
