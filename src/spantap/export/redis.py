"""Exchanges in a Redis stream that is kept short: the newest so many.

Streams have no unique keys. Beside the stream there is a sorted set of the ids that went into it,
as many as the stream holds; a script, which Redis runs as one step, looks there first. So the same
exchange delivered twice is stored once, whichever process delivers it, and counted as a
duplicate. Redis 6.2 or later, or what speaks like it (Valkey); the protocol itself is the work of
`redis-py` (the extra ``redis``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from spantap.codec.record import from_record, to_record
from spantap.export.address import Address
from spantap.export.outcome import (
    NotTakenError,
    RefusedError,
    TryLaterError,
    not_kept,
    root_cause,
)
from spantap.export.search import EVERYTHING, Filter
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy

if TYPE_CHECKING:
    from redis import Redis
    from redis.commands.core import Script

_PAGE: Final = 100  # entries read at a time
# What a server answers that may go away: it starts, is full, busy, without its disk or its master.
_LATER: Final = frozenset(
    {"LOADING", "OOM", "READONLY", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "BUSY"}
)
# The library takes the word off the answers that it has a class for.
_CODES: Final = {
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "TryAgainError": "TRYAGAIN",
    "MovedError": "MOVED",
}

# KEYS: stream, ids. ARGV: the most entries, then id, trace_id, span_id and record of each.
_ADD: Final = """
local most, twice = tonumber(ARGV[1]), 0
for i = 2, #ARGV, 4 do
  if redis.call('ZSCORE', KEYS[2], ARGV[i]) then
    twice = twice + 1
  else
    local at = redis.call('XADD', KEYS[1], 'MAXLEN', '~', most, '*',
      'trace_id', ARGV[i + 1], 'span_id', ARGV[i + 2], 'record', ARGV[i + 3])
    redis.call('ZADD', KEYS[2], string.match(at, '^%d+'), ARGV[i])
  end
end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -most - 1)
return twice
"""


class RedisSink:
    """Adds to a Redis stream, and reads from it; several processes and hosts may share one.

    `write` and `close` belong to one worker thread; `read` and `count` open a connection of their own
    and may be called from anywhere.

    Attributes:
        name: ``redis``.
        stream: the key of the stream.
        maxlen: exchanges kept, about: Redis cuts where it costs least, and some more may be there.
        policy: which exchanges it gets, and which fields of them.
    """

    name = "redis"
    remote = True

    def __init__(
        self,
        url: str | Address,
        *,
        stream: str = "spantap",
        maxlen: int = 10_000,
        timeout: float = 10.0,
        policy: DestinationPolicy | None = None,
    ) -> None:
        """Args:
        url: ``redis://user:password@host:6379/0``; ``rediss://`` is over TLS. What else redis-py knows
            goes into the query: ``?ssl_ca_certs=/path/to.pem``.
        stream, maxlen, policy: see the class.
        timeout: seconds to connect, and seconds Redis may be silent.

        Raises:
            ValueError: the URL is none.
            ImportError: `redis` is not installed; the message says how to get it.
        """
        self.policy = policy
        self._address = redis_address(url) if isinstance(url, str) else url
        self.stream = stream
        self.maxlen = maxlen
        self._timeout = timeout
        # The braces keep both keys on one node of a cluster.
        self._ids = f"{stream}:ids" if "{" in stream else f"{{{stream}}}:ids"
        self._client: Redis | None = None
        self._add: Script | None = None
        self._pid = 0

    @property
    def target(self) -> str:
        """The URL without secrets, and the stream."""
        return f"{self._address} {self.stream}"

    def write(self, exchanges: Sequence[Exchange], /) -> Mapping[str, int]:
        """Add the batch, in one step of Redis.

        Returns:
            How many of it were there already, as ``duplicate``.

        Raises:
            TryLaterError: Redis is away, starts, is full or read-only.
            RefusedError: it will not have them: a wrong password, no permission, another kind of key.
        """
        said: list[str | bytes] = [str(self.maxlen)]
        for each in exchanges:
            said += (each.trace_id + each.span_id, each.trace_id, each.span_id)
            said.append(orjson.dumps(to_record(each)))
        with _told():
            return not_kept(duplicate=int(self._opened()(keys=[self.stream, self._ids], args=said)))

    def read(self, limit: int | None = 100, wanted: Filter = EVERYTHING) -> list[Exchange]:
        """Exchanges, those that arrived last first.

        Args:
            limit: at most so many; None is all.
            wanted: which.

        Raises:
            NotTakenError: Redis cannot be read; the text says why.
        """
        with _told(), _client(self._address, self._timeout) as client:
            return list(islice(filter(wanted.wants, self._newest_first(client)), limit))

    def count(self) -> int:
        """How many exchanges the stream holds; 0 when there is none.

        Raises:
            NotTakenError: as `read`.
        """
        with _told(), _client(self._address, self._timeout) as client:
            return int(client.xlen(self.stream))

    def probe(self, seconds: float) -> str | None:
        """Ask Redis whether it takes commands from us; what is wrong, None when it does."""
        try:
            with _told(), _client(self._address, seconds) as client:
                client.ping()
        except NotTakenError as error:
            return str(error)
        return None

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
        self._client = self._add = None

    def _opened(self) -> Script:
        if self._add is None or self._pid != os.getpid():
            self._client, self._pid = _client(self._address, self._timeout), os.getpid()
            self._add = self._client.register_script(_ADD)
        return self._add

    def _newest_first(self, client: Redis) -> Iterator[Exchange]:
        before, full = "+", True
        while full:
            page: Any = client.xrevrange(self.stream, max=before, min="-", count=_PAGE)
            full = len(page) == _PAGE
            for at, fields in page:
                before = f"({at.decode()}"
                if b"record" in fields:  # else it is somebody else's
                    yield from_record(orjson.loads(fields[b"record"]))


def redis_address(text: str) -> Address:
    """The URL of a Redis server, looked at without connecting.

    Raises:
        ValueError: it is none; what is wrong with it, without quoting it.
        ImportError: `redis` is not installed; the message says how to get it.
    """
    address = Address.parse(text, "redis", "rediss")
    number = address.url.partition("?")[0].partition("://")[2].partition("/")[2]
    if number and not (number.isascii() and number.isdecimal()):
        raise ValueError("after the host goes the number of the database, or nothing")
    try:
        with _client(address, 1.0) as client:
            pool = client.connection_pool
            pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError):
        raise ValueError("redis-py does not know what stands after the ?") from None
    return address


def _client(address: Address, timeout: float) -> Redis:
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise ImportError('Redis needs a library: pip install "spantap[redis]"') from None
    return Redis.from_url(
        address.url,
        username=address.user or None,
        password=address.password,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),  # trying again is the queue's business
    )


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What goes wrong, as the queue knows it."""
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError) as error:
        raise _meaning(error) from None


def _meaning(error: Exception) -> NotTakenError:
    """What an error means for a batch. An answer may quote what was sent: only its first word is told."""
    from redis import exceptions

    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return RefusedError("does not let us in: wrong user or password")
    if isinstance(error, exceptions.NoPermissionError):
        return RefusedError("answers NOPERM: this user may not run scripts, or not use these keys")
    if isinstance(error, exceptions.TimeoutError):
        return TryLaterError("does not answer in time")
    if not isinstance(error, exceptions.ResponseError):
        cause = root_cause(error)
        return TryLaterError("breaks off" if cause == "ConnectionError" else cause)
    word = str(error).partition(" ")[0]
    code = _CODES.get(type(error).__name__, word if word.isupper() else "ERR")
    if code in _LATER:
        return TryLaterError(f"answers {code}")
    return RefusedError(f"answers {code}", divisible=code == "ERR")
