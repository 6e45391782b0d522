"""A scene: what a client says and an app does, played twice and compared."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from spantap.testing.stage import Stage
from spantap.testing.wire import Answer, Connection, ask, request

_PATIENCE: Final = 4.0  # seconds until the app has noted something


@dataclass
class Seen:
    """What came of a scene.

    Attributes:
        client: what the client received, in order: what it is, and its bytes.
        app: what the app noted.
    """

    client: list[tuple[str, bytes]] = field(default_factory=list)
    app: list[str] = field(default_factory=list)

    def difference(self, other: Seen) -> str | None:
        """The first thing that is not the same in the other; None when all is."""
        for (what, mine), (_, theirs) in zip(self.client, other.client, strict=False):
            if mine != theirs:
                return f"{what}: {_short(mine)} / {_short(theirs)}"
        if len(self.client) != len(other.client):
            return f"the client saw {len(self.client)} / {len(other.client)} things"
        for mine_noted, theirs_noted in zip(self.app, other.app, strict=False):
            if mine_noted != theirs_noted:
                return f"the app noted: {mine_noted!r} / {theirs_noted!r}"
        if self.app != other.app:
            return f"the app noted {self.app} / {other.app}"
        return None


class Client:
    """The client of one scene.

    Attributes:
        scene: its name; the first segment of every path it asks for.
        seen: what it received so far.
    """

    def __init__(self, port: int, scene: str, stage: Stage) -> None:
        self.scene = scene
        self.seen = Seen()
        self._port = port
        self._stage = stage

    def connect(self) -> Connection:
        """A connection of its own, to be closed by the caller."""
        return Connection(self._port)

    def request(
        self,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        rest: str = "",
    ) -> bytes:
        """A request to the scene; `rest` is appended to its path."""
        return request(method, f"/{self.scene}{rest}", dict(headers or {}), body)

    def ask(
        self,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        rest: str = "",
    ) -> Answer:
        """Send a request on a connection of its own and see the answer."""
        return self.say(self.request(method, headers, body, rest))

    def say(self, data: bytes) -> Answer:
        """Send these bytes on a connection of their own and see the answer."""
        return self.saw(ask(self._port, data))

    def saw(self, answer: Answer) -> Answer:
        """The answer belongs to what was seen: on the wire, and its pieces."""
        self.seen.client.append(("answer", answer.on_the_wire))
        self.seen.client.append(("pieces", b"|".join(answer.pieces)))
        return answer

    def got(self, what: str, data: bytes | None) -> None:
        """So do these bytes."""
        self.seen.client.append((what, b"nothing" if data is None else data))

    def open_gate(self) -> None:
        """Let the app go on."""
        self._stage.open_gate(self.scene)

    def until_noted(self, text: str) -> None:
        """Until the app has noted this; seen when it never does."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self.notes():
            if time.monotonic() > deadline:
                self.got("never noted", text.encode())
                return
            time.sleep(0.01)

    def until_over(self) -> list[str]:
        """Until the app has finished what it began (it notes ``over``); its notes."""
        deadline = time.monotonic() + _PATIENCE
        notes = self.notes()
        while notes.count("called") > notes.count("over") and time.monotonic() < deadline:
            time.sleep(0.01)
            notes = self.notes()
        return notes

    def notes(self) -> list[str]:
        """What the app noted so far."""
        return self._stage.notes(self.scene)


class Scene:
    """One scene. A subclass's docstring says what happens; it has `asgi`, `wsgi` or both.

    Attributes:
        status: what the reference servers answer without spantap, so that sameness means something;
            None when they need not answer.
        heavy: megabytes or seconds: only in the whole matrix.
        fatal: some servers end of it; played last.
        varies: the app's notes depend on chance; only what the client saw is compared.
    """

    status: ClassVar[int | None] = 200
    heavy: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    varies: ClassVar[bool] = False
    asgi: Any = None
    wsgi: Any = None

    all: ClassVar[dict[str, Scene]] = {}

    def __init_subclass__(cls) -> None:
        if not cls.__name__.startswith("_"):  # what several scenes share
            scene = cls()
            Scene.all[scene.name] = scene

    @property
    def name(self) -> str:
        """As in paths and in the table: ``two-words`` for TwoWords."""
        return "".join(f"-{each.lower()}" if each.isupper() else each for each in type(self).__name__)[1:]

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return (type(self).__doc__ or "").strip().splitlines()[0].rstrip(".")

    def speak(self, client: Client) -> None:
        """The client's side; a plain GET unless overridden."""
        client.ask()


def play(scene: Scene, port: int, stage: Stage) -> Seen:
    """Play a scene to the server at a port."""
    stage.clear(scene.name)
    client = Client(port, scene.name, stage)
    try:
        scene.speak(client)
    except OSError as error:
        client.got("error", type(error).__name__.encode())
    client.seen.app = client.until_over()
    return client.seen


def _short(data: bytes) -> str:
    return repr(data if len(data) < 300 else data[:300] + b"...")
