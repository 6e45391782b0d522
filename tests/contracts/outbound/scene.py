"""A scene: what an app asks and a server does, played with and without capture and compared."""

from __future__ import annotations

import contextvars
import gc
import zlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from contracts.outbound.adapter import Ask, Client, Reply, described, plain
from contracts.outbound.stage import Stage
from contracts.outbound.wire import Server, Wire

# What an app keeps in the context itself; capture has variables of its own there while it sends.
MARK: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="unset")


class Play:
    """One playing of a scene by one client.

    Attributes:
        client: the adapter.
        stage: where to note what was seen.
        server, secure: those of the scene; the second speaks TLS.
    """

    client: Client

    def __init__(self, server: Server, secure: Server) -> None:
        self.server = server
        self.secure = secure
        self.stage: Stage = server.stage

    def url(self, rest: str = "") -> str:
        """A URL of the server."""
        return f"http://127.0.0.1:{self.server.port}/{rest}"

    def send(self, method: str = "GET", rest: str = "", **options: Any) -> Reply | None:
        """Send, and note what comes back at once; None when that was an exception."""
        ask = Ask(method, options.pop("url", None) or self.url(rest), **options)
        reply: Reply | None = self.trying("send", lambda: self.client.send(ask))
        if reply is not None:
            self.tell(reply)
        return reply

    def exchange(self, method: str = "GET", rest: str = "", **options: Any) -> None:
        """Send, read, close, and note all of it."""
        reply = self.send(method, rest, **options)
        if reply is not None:
            self.rest(reply)

    def settle(self) -> None:
        """Until the server has closed what it closes, and the client has had time to see it."""
        self.stage.until_quiet()
        self.client.turn()

    def rest(self, reply: Reply) -> None:
        """Read what is left of a response, close it, and note all of it."""
        data = self.trying("read", reply.read)
        short = data is None or len(data) < 500
        self.stage.note(f"read {plain(data) if short else (len(data), zlib.crc32(data))}")
        self.stage.note(reply.state())
        self.trying("close", reply.close)
        self.stage.note(reply.state())

    def tell(self, reply: Reply) -> None:
        """Note what can be seen of a response."""
        headers = [pair for pair in reply.headers if pair[0].lower() != "date"]
        self.stage.note(f"answered {reply.status} {headers}")
        self.stage.note(reply.state(reply.early))

    def trying(self, what: str, call: Callable[..., Any], *args: Any) -> Any:
        """Do it, and note what it raises."""
        try:
            return call(*args)
        except Exception as error:
            self.stage.note(f"{what} raised {described(error)}")
            return None


class Scene:
    """One scene. A subclass's docstring says what happens.

    Attributes:
        heavy: megabytes or seconds: only in the whole matrix.
        chance: what the server sees of how the client leaves is chance: it is not compared.
        broken: the client breaks off: how much of it the server ever sees is chance, and not compared.
        crowd: which request comes over which connection, and when, is chance.
        least: so many requests the server must have seen, so that sameness means something.
    """

    heavy: ClassVar[bool] = False
    chance: ClassVar[bool] = False
    broken: ClassVar[bool] = False
    crowd: ClassVar[bool] = False
    least: ClassVar[int] = 1

    all: ClassVar[dict[str, Scene]] = {}

    def __init_subclass__(cls) -> None:
        if not cls.__name__.startswith("_"):
            scene = cls()
            Scene.all[scene.name] = scene

    @property
    def name(self) -> str:
        """``two-words`` for TwoWords."""
        return "".join(f"-{each.lower()}" if each.isupper() else each for each in type(self).__name__)[1:]

    def suits(self, client: type[Client]) -> bool:
        """Whether a client can play it."""
        return True

    def make(self, kind: type[Client], play: Play) -> Client:
        """The client that plays it."""
        return kind()

    def serve(self, wire: Wire) -> None:
        """The server's side; a plain answer unless overridden."""
        wire.body()
        wire.answer()

    def speak(self, play: Play) -> None:
        """The client's side; a plain GET unless overridden."""
        play.exchange()


class Pulled:
    """Pieces of an upload that note when they are taken; may wait for the server, or break down.

    Attributes:
        taken: how many were asked for.
    """

    def __init__(
        self, stage: Stage, pieces: list[bytes], *, each: Callable[[int], Any] = lambda at: None
    ) -> None:
        """Args:
        stage: where to note.
        pieces: what to give.
        each: called with its number before a piece is given.
        """
        self._stage = stage
        self._pieces = pieces
        self._each = each
        self.begun = 0

    def __iter__(self) -> Iterator[bytes]:
        self.begun += 1
        self._stage.note(f"the upload is begun for the {self.begun}. time")
        try:
            for at, piece in enumerate(self._pieces):
                self._stage.note(f"piece {at} is taken")
                self._each(at)
                yield piece
            self._stage.note("the upload is at its end")
        except GeneratorExit:
            self._stage.note("the upload is dropped")
            raise


def play(scene: Scene, kind: type[Client], server: Server, secure: Server) -> dict[str, Any]:
    """Play a scene with a client; what was seen."""
    stage = server.stage = secure.stage = Stage(server.port)
    server.serving = secure.serving = scene.serve
    played = Play(server, secure)
    played.client = scene.make(kind, played)
    before = {variable.name: value for variable, value in contextvars.copy_context().items()}
    try:
        scene.speak(played)
    except Exception as error:
        stage.note(f"the scene raised {described(error)}")
    finally:
        played.trying("closing the client", played.client.close)
    after = {variable.name: value for variable, value in contextvars.copy_context().items()}
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) is not after.get(name))
    stage.note(f"context variables that are different now: {changed}")
    gc.collect()
    stage.until_quiet()
    MARK.set("unset")
    return {**stage.seen(), "ours": sorted(stage.ours), "requests": stage.requests}
