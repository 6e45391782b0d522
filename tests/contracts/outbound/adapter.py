"""What a scene needs of a client: send this, read that. Each client is one small adapter to it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from contracts.outbound.stage import steady

# Request headers that capture adds: an app that looks at what was sent finds them.
_ADDED: Final = ("traceparent", "tracestate")
# What `http.client` reads from is public by its name alone; ours answers for everything the other has.
_STAND_IN: Final = {"spantap.outbound.http_client.TeedStream": "_io.BufferedReader"}


@dataclass(frozen=True)
class Ask:
    """One call of a client.

    Attributes:
        stream: the response is to be read piece by piece; else the call returns when it is read.
        redirects: they are followed.
        timeout: seconds for each wait.
        hook: called with the client's own response, by clients that have hooks for responses.
        digest: user and password, for clients that answer a challenge.
        options: handed to the client as they are.
    """

    method: str
    url: str
    headers: Mapping[str, Any] | None = None
    body: Any = None
    stream: bool = False
    redirects: bool = True
    timeout: float = 15.0
    hook: Callable[[Any], None] | None = None
    digest: tuple[str, str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Reply:
    """A response. A subclass knows how a client's is read."""

    # Attributes that read the body, or are made of what differs from run to run.
    skipped: ClassVar[frozenset[str]] = frozenset()
    # Those that differ with what has arrived by now, as long as it is not read.
    early: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, raw: Any) -> None:
        """Args:
        raw: the client's own response.
        """
        self.raw = raw
        self._pieces: Any = None

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.raw.status)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """As the client has them."""
        return list(self.raw.headers.items())

    def read(self) -> bytes:
        """The body, or what is left of it."""
        data: bytes = self.raw.read()
        return data

    def piece(self, size: int) -> bytes:
        """The next piece that comes; nothing at the end.

        Args:
            size: of the pieces that are sent, for clients that have to be told.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of it."""
        self.raw.close()

    def parts(self) -> Iterable[Any]:
        """The objects the app can look at: the response, and what it hands out."""
        return (self.raw,)

    def state(self, skipped: frozenset[str] = frozenset()) -> str:
        """Everything public on them, as text."""
        skipped |= self.skipped
        return "\n".join(public_state(part, skipped) for part in self.parts() if part is not None)


class Client:
    """A client of one scene. A subclass says how it sends.

    Attributes:
        name: of the adapter.
        door: the client's, as in `spantap.clients.CLIENTS`.
        asynchronous: it is called in an event loop.
        ways: to read a response: name -> function of the client's own response, which gives what it read.
    """

    name: ClassVar[str]
    door: ClassVar[str]
    asynchronous: ClassVar[bool] = False
    hooks: ClassVar[bool] = False
    digests: ClassVar[bool] = False
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def __init__(self, certificate: str | None = None, proxy: str | None = None) -> None:
        """Args:
        certificate: path of the one to trust.
        proxy: URL of a proxy to go by.
        """
        raise NotImplementedError

    def send(self, ask: Ask) -> Reply:
        """Send a request; what comes back as soon as the client gives it."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every connection."""

    def turn(self) -> None:
        """Let an event loop do what there is to do."""

    def generator(self, pieces: Iterable[bytes]) -> Any:
        """A body made while it is sent, as this client takes it."""
        return iter(_each(pieces))

    def read_in(self, way: str, reply: Reply) -> Any:
        """Read a response in one of its ways."""
        return self.ways[way](reply.raw)


def _each(pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield from pieces


def public_state(thing: Any, skipped: frozenset[str]) -> str:
    """Names and values of everything public on an object."""
    lines = [_kind(thing)]
    for name in sorted(dir(thing)):
        if name.startswith("_"):
            continue
        if name in skipped:
            lines.append(f"  {name}")
            continue
        try:
            value = getattr(thing, name)
        except Exception as error:
            lines.append(f"  {name} raises {described(error)}")
        else:
            lines.append(f"  {name}" + (f"={plain(value)}" if not callable(value) else "()"))
    return "\n".join(lines)


def plain(value: Any) -> str:
    """A value as text, without what differs from run to run."""
    if isinstance(value, (str, bytes)) and len(value) > 5000:
        return f"{len(value)} long, {zlib.crc32(value.encode() if isinstance(value, str) else value)}"
    if value is None or isinstance(value, (str, bytes, int, float, bool)):
        return repr(value)
    if isinstance(value, Mapping):
        kept = sorted((str(k), plain(v)) for k, v in value.items() if str(k).lower() not in _ADDED)
        return f"{_kind(value)}{kept}"
    if isinstance(value, (list, tuple)):
        return f"{_kind(value)}{[plain(each) for each in value if not _added(each)]}"
    return _kind(value)


def _added(pair: Any) -> bool:
    name = pair[0] if isinstance(pair, tuple) and pair else None
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    return isinstance(name, str) and name.lower() in _ADDED


def _kind(value: Any) -> str:
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    return _STAND_IN.get(name, name)


def described(error: BaseException | None, depth: int = 0) -> str:
    """An exception: its type, arguments, attributes, and all it came from."""
    if error is None or depth > 8:
        return "nothing"
    args = [
        described(each, depth + 1) if isinstance(each, BaseException) else plain(each) for each in error.args
    ]
    facts = sorted(
        f"{name}={described(value, depth + 1) if isinstance(value, BaseException) else plain(value)}"
        for name, value in vars(error).items()
        if name != "__notes__"
    )
    notes = getattr(error, "__notes__", [])
    return steady(
        f"{_kind(error)}({args}) {facts} {error} notes={notes} quiet={error.__suppress_context__}"
        f" <- {described(error.__cause__, depth + 1)} <- {described(error.__context__, depth + 1)}"
    )
