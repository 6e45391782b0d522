"""Exchanges streamed to a WebSocket collector over one connection that is kept.

Each exchange is a text message: its record as JSON (docs/record.schema.json). The collector
confirms with ``{"ack": ["<span_id>", ...]}``, and says ``{"reject": ["<span_id>", ...]}`` of what it
will not have; where it does not confirm, a pong after the batch tells that the batch has arrived.
The protocol itself is the work of `websockets` (the extra ``websocket``).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from spantap.codec.record import to_record
from spantap.export.address import Address
from spantap.export.outcome import (
    NotTakenError,
    RefusedError,
    TooLargeError,
    TryLaterError,
    not_kept,
    refusal,
    root_cause,
)
from spantap.export.tls_socket import client_context
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy
from spantap.version import __version__

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

_MOST_SAID: Final = 64 * 1024  # bytes of a message from the collector
_MOST_UNREAD: Final = 1024  # messages from the collector, until it is not read any more
_PING_SECONDS: Final = 20.0
_CLOSE_SECONDS: Final = 1.0
# The library's own words: tracebacks of connections that broke, and, where all is logged, what was sent.
_UNHEARD: Final = logging.getLogger("spantap.websockets")
_UNHEARD.setLevel(logging.CRITICAL + 1)
_TOO_LARGE, _ILL_FORMED, _FINAL = 1009, 1007, (1003, 1008)  # RFC 6455, section 7.4.1


class WebSocketSink:
    """Streams to a URL over one connection; connects with the first batch and again when need be.

    Attributes:
        name: ``websocket``.
        batch_size: exchanges sent and not confirmed yet, at most.
        flush_interval: seconds the first exchange of a batch waits for others; None is as for all.
        policy: which exchanges it gets, and which fields of them.
    """

    name = "websocket"
    remote = True

    def __init__(
        self,
        url: str | Address,
        *,
        token: str | None = None,
        token_in: Literal["header", "message"] = "header",  # noqa: S107 - the place, not the token
        acks: bool = True,
        in_flight: int = 100,
        timeout: float = 10.0,
        certificate: str | os.PathLike[str] | None = None,
        client_id: str | None = None,
        policy: DestinationPolicy | None = None,
    ) -> None:
        """Args:
        url: ``ws://`` or ``wss://``; user and password in it become Basic, a user alone a Bearer token.
        token: says who we are.
        token_in: whether the token goes as ``Authorization: Bearer ...``, or in the first message of a
            connection: ``{"token": ..., "client_id": ...}``.
        acks: whether the collector confirms.
        in_flight: see `batch_size`.
        timeout: seconds to connect, and seconds a confirmation may take.
        certificate: file with the authorities to trust, instead of the usual ones.
        client_id: sent as ``Spantap-Client-Id``, or in the first message.
        policy: see the class.

        Raises:
            ValueError: the URL is none.
            ImportError: `websockets` is not installed; the message says how to get it.
        """
        try:
            import websockets.sync.client  # noqa: F401 - told now, not with the first batch
        except ImportError:
            raise ImportError('WebSockets need a library: pip install "spantap[websocket]"') from None
        self._address = Address.parse(url, "ws", "wss") if isinstance(url, str) else url
        self.policy = policy
        self._acks = acks
        self._timeout = timeout
        self._certificate = certificate
        self.batch_size = in_flight
        self.flush_interval: float | None = None
        in_header = token_in == "header"  # noqa: S105
        sent = {
            "Authorization": self._address.authorization(token) if in_header else None,
            "Spantap-Client-Id": client_id if in_header else None,
        }
        self._headers = {name: value for name, value in sent.items() if value is not None}
        hello = {"token": token or self._address.user, "client_id": client_id}
        self._hello = None if in_header else {name: value for name, value in hello.items() if value}
        self._connection: ClientConnection | None = None
        self._pid = 0
        self._answered: dict[str, bool] = {}  # of batches that broke off: span id -> whether it was taken

    @property
    def target(self) -> str:
        """The URL without secrets."""
        return str(self._address)

    def write(self, exchanges: Sequence[Exchange], /) -> Mapping[str, int]:
        """Stream the batch, in one try; returns and raises as `spantap.export.sink.Sink` says.

        What was confirmed of a batch that then broke off is not sent again with it. What was sent and not
        confirmed is: a collector may get it twice, and knows it by its ``span_id``.
        """
        messages = {
            each.span_id: orjson.dumps(to_record(each)).decode()
            for each in exchanges
            if each.span_id not in self._answered
        }
        if messages:
            self._exchanged(messages)
        answers = [self._answered.pop(each.span_id, True) for each in exchanges]
        return not_kept(rejected=answers.count(False))

    def _exchanged(self, messages: Mapping[str, str]) -> None:
        from websockets.exceptions import ConnectionClosed, WebSocketException

        try:
            connection = self._connected(self._timeout)
            if self._acks:
                self._confirmed(connection, messages)
            else:
                for message in messages.values():
                    connection.send(message)
                if not connection.ping().wait(self._timeout):
                    raise TryLaterError("does not answer a ping")
        except NotTakenError:
            self.close()
            raise
        except ConnectionClosed as error:
            self.close()
            raise _closed(error) from None
        except (OSError, WebSocketException) as error:
            self.close()
            raise TryLaterError(root_cause(error)) from None

    def _confirmed(self, connection: ClientConnection, messages: Mapping[str, str]) -> None:
        """Send, and read what the collector says meanwhile and after: neither may fill up."""
        from websockets.exceptions import ConnectionClosed

        waiting = set(messages)
        try:
            for message in messages.values():
                connection.send(message)
                self._hear_all(connection, waiting)
        except ConnectionClosed:
            self._hear_all(connection, waiting)  # what it said before it closed still counts
            raise
        until = time.monotonic() + self._timeout
        while waiting:
            left = until - time.monotonic()
            if left <= 0 or not self._heard(connection, waiting, left):
                raise TryLaterError(f"does not confirm {len(waiting)} of {len(messages)}")

    def _hear_all(self, connection: ClientConnection, waiting: set[str]) -> None:
        while waiting and self._heard(connection, waiting, 0):
            pass

    def _heard(self, connection: ClientConnection, waiting: set[str], timeout: float) -> bool:
        """Take one message of the collector; False when none came. What makes no sense is passed over."""
        try:
            said = orjson.loads(connection.recv(timeout=timeout))
        except TimeoutError:
            return False
        except ValueError:
            return True
        for word, taken in (("ack", True), ("reject", False)):
            for span_id in _ids(said, word):
                if span_id in waiting:
                    waiting.remove(span_id)
                    self._answered[span_id] = taken
        return True

    def probe(self, seconds: float) -> str | None:
        """Connect; what is wrong with the collector, None when it lets us in."""
        try:
            self._connected(seconds).ping().wait(seconds)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            return str(error) if isinstance(error, NotTakenError) else root_cause(error)
        finally:
            self.close()
        return None

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == os.getpid():
            connection.__exit__(None, None, None)

    def _connected(self, timeout: float) -> ClientConnection:
        from websockets.exceptions import InvalidStatus
        from websockets.protocol import State
        from websockets.sync.client import connect

        connection = self._connection
        if connection is not None and self._pid == os.getpid() and connection.state is State.OPEN:
            return connection
        secure = self._address.url.startswith("wss:")
        try:
            # As a context manager, which all releases know; it is left in `close`.
            connection = connect(
                self._address.url,
                ssl=client_context(self._certificate) if secure else None,
                additional_headers=self._headers,
                user_agent_header=f"spantap/{__version__}",
                compression=None,  # it costs more here than it saves
                open_timeout=timeout,
                ping_interval=_PING_SECONDS,
                ping_timeout=self._timeout,  # ends a `send` that the collector does not read
                close_timeout=_CLOSE_SECONDS,
                max_size=_MOST_SAID,
                max_queue=_MOST_UNREAD,
                logger=_UNHEARD,
            ).__enter__()
        except InvalidStatus as error:
            raise refusal(error.response.status_code, error.response.headers.get("Retry-After")) from None
        self._connection, self._pid = connection, os.getpid()
        if not _same_place(connection.protocol.uri, self._address.url):
            raise RefusedError("redirects to another place")  # which was not meant to see anything
        if self._hello is not None:
            connection.send(orjson.dumps(self._hello).decode())
        return connection


def _same_place(arrived: Any, wanted: str) -> bool:
    from websockets.uri import parse_uri

    meant = parse_uri(wanted)
    return (arrived.secure, arrived.host, arrived.port) == (meant.secure, meant.host, meant.port)


def _ids(said: Any, word: str) -> list[str]:
    ids = said.get(word) if isinstance(said, dict) else None
    ids = [ids] if isinstance(ids, str) else ids
    return [each for each in ids if isinstance(each, str)] if isinstance(ids, list) else []


def _closed(error: Any) -> NotTakenError:
    """What the code of a close means; the reason in words is the collector's and is not told."""
    code = None if error.rcvd is None else error.rcvd.code
    if code is None:
        return TryLaterError("breaks off")
    says = f"closes with {code}"
    if code == _TOO_LARGE:
        return TooLargeError(says)
    if code == _ILL_FORMED or code in _FINAL:
        return RefusedError(says, divisible=code == _ILL_FORMED)
    return TryLaterError(says)
