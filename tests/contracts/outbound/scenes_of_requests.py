"""What apps send: bodies of every kind, taken as the wire takes them, and headers of odd types."""

from __future__ import annotations

import array
import io
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, Final

from contracts.outbound.adapter import Client
from contracts.outbound.scene import MARK, Play, Pulled, Scene
from contracts.outbound.wire import Wire


class PostJson(Scene):
    """A POST of JSON, answered with JSON."""

    def speak(self, play: Play) -> None:
        for stream in (False, True):
            play.exchange(
                "POST", body=b'{"a": 1}', headers={"Content-Type": "application/json"}, stream=stream
            )


class _Reading:
    """Can be read, and nothing else."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


class _Iterating:
    """Can be iterated over, any number of times; each iteration is noted."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def __iter__(self) -> Iterator[bytes]:
        self._play.stage.note("iterated")
        return iter([b"one", b"", b"two"])


class _Sized(_Iterating):
    def __len__(self) -> int:
        return 6


def _temporary(data: bytes) -> Any:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the client's to read
    file.write(data)
    file.seek(3)
    return file


_BODIES: Final[dict[str, Callable[[Play], Any]]] = {
    "nothing": lambda play: None,
    "empty bytes": lambda play: b"",
    "bytes": lambda play: b"some",
    "text": lambda play: "söme",
    "text that is no Latin": lambda play: "€ 5",
    "bytearray": lambda play: bytearray(b"some"),
    "memoryview": lambda play: memoryview(b"some"),
    "wide memoryview": lambda play: memoryview(array.array("I", [1, 2, 3])),
    "array": lambda play: array.array("I", [1, 2, 3]),
    "BytesIO": lambda play: io.BytesIO(b"some"),
    "BytesIO, half read": lambda play: _advanced(io.BytesIO(b"some")),
    "StringIO": lambda play: io.StringIO("söme"),
    "file": lambda play: _temporary(b"a file of some length"),
    "reader": lambda play: _Reading(b"read me"),
    "iterable": _Iterating,
    "iterable with a length": _Sized,
    "list": lambda play: [b"one", b"", b"two"],
    "tuple": lambda play: (b"one", b"two"),
    "pairs": lambda play: [("a", "1"), ("b", "ü")],
    "dict": lambda play: {"a": "1", "b": ["2", "3"]},
    "generator": lambda play: play.client.generator(Pulled(play.stage, [b"one", b"", b"two"])),
    "generator of text": lambda play: (each for each in ("one", "two")),
    "generator of views": lambda play: (memoryview(each) for each in (b"one", b"two")),
    "generator of numbers": lambda play: (each for each in (1, 2)),
    "generator of nothing": lambda play: play.client.generator([]),
    "number": lambda play: 5,
    "object": lambda play: object(),
}


def _advanced(file: io.BytesIO) -> io.BytesIO:
    file.read(2)
    return file


class Bodies(Scene):
    """Bodies of every type an app might give, good or not, with and without a length of their own."""

    chance = True  # what a body of a wrong type breaks off leaves the server in doubt

    def speak(self, play: Play) -> None:
        for what, make in _BODIES.items():
            for headers in (None, {"Content-Length": "6"}, {"Transfer-Encoding": "chunked"}):
                if what not in ("bytes", "BytesIO", "iterable", "generator", "reader") and headers:
                    continue
                body = make(play)
                play.stage.note(f"body: {what}, {headers}")
                options: dict[str, Any] = {"retries": False} if play.client.name == "urllib3" else {}
                play.exchange(
                    "POST", body=body, headers=headers, options=options, timeout=0.5 if headers else 15.0
                )
                if hasattr(body, "tell"):
                    play.stage.note(f"at {play.trying('tell', body.tell)}")
                if hasattr(body, "close"):
                    play.trying("close", body.close)


class PulledAsSent(Scene):
    """An upload is taken as the wire takes it: no piece before the server has the one before, and once."""

    def serve(self, wire: Wire) -> None:
        for number, piece in enumerate(wire.pieces()):
            wire.notes.append(f"got {piece!r}")
            wire.stage.gate(f"got {number}").set()
        wire.answer(b"all")

    def speak(self, play: Play) -> None:
        def each(number: int) -> None:
            if number:
                play.stage.wait(f"got {number - 1}")

        pulled = Pulled(play.stage, [b"1" * 50, b"2" * 50, b"3" * 50], each=each)
        play.exchange("POST", body=play.client.generator(pulled), options=_chunked(play))
        play.stage.note(f"begun {pulled.begun} times")


def _chunked(play: Play) -> dict[str, Any]:
    return {"chunked": True} if play.client.name == "urllib3" else {}


class BreakingUpload(Scene):
    """The upload raises in its middle: the app gets its exception."""

    broken = True

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.answer()

    def speak(self, play: Play) -> None:
        for kind in (ValueError, KeyError, OSError, ConnectionResetError, RuntimeError):

            def each(number: int, kind: type[Exception] = kind) -> None:
                if number == 1:
                    raise kind("in the middle")

            pulled = Pulled(play.stage, [b"1", b"2", b"3"], each=each)
            options = {**_chunked(play), **({"retries": False} if play.client.name == "urllib3" else {})}
            play.exchange("POST", body=play.client.generator(pulled), options=options)


class RefusedUpload(Scene):
    """The server answers and closes before it has read the upload."""

    chance = True

    def serve(self, wire: Wire) -> None:
        wire.answer(b"too much", "Connection: close", status="413 Too Large")
        wire.until_gone()

    def speak(self, play: Play) -> None:
        pulled = Pulled(play.stage, [b"x" * 1000] * 5)
        play.exchange("POST", body=play.client.generator(pulled), options=_chunked(play))


class LargeUpload(Scene):
    """8 MB up: bytes, a file, a generator."""

    heavy = True

    def speak(self, play: Play) -> None:
        data = bytes(range(256)) * (8 << 12)
        play.exchange("POST", body=data)
        if not play.client.asynchronous:
            with tempfile.TemporaryFile() as file:
                file.write(data)
                file.seek(0)
                play.exchange("POST", body=file)
        pieces = [data[at : at + 50_000] for at in range(0, len(data), 50_000)]
        play.exchange("POST", body=play.client.generator(pieces), options=_chunked(play))


class Reentrant(Scene):
    """The upload sends a request of its own, with the same kind of client, before its second piece."""

    least = 2

    def suits(self, client: type[Client]) -> bool:
        return not client.asynchronous  # a loop does not run in a loop

    def speak(self, play: Play) -> None:
        def each(number: int) -> None:
            if number == 1:
                inner = Play(play.server, play.secure)
                inner.client = type(play.client)()
                inner.exchange(rest="inner")
                inner.client.close()

        pulled = Pulled(play.stage, [b"1", b"2"], each=each)
        play.exchange("POST", body=play.client.generator(pulled), options=_chunked(play))


class Headers(Scene):
    """Header names and values of odd types, in odd cases, and some that no client sends."""

    def speak(self, play: Play) -> None:
        odd: tuple[Any, ...] = (
            {"X-Bytes": b"value"},
            {b"X-Name": "value"},
            {"X-Number": 5},
            {"X-None": None},
            {"X-List": ["a", "b"]},
            {"x-CASE": "a", "X-case": "b"},
            {"X-Latin": "Jürgen"},
            {"X-Snow": "☃"},
            {"X-Break": "a\r\nX-Other: b"},
            {"X Space": "a"},
            {"": "a"},
            {"X-Empty": ""},
            {"User-Agent": "mine"},
            {"User-Agent": None},
            {"Host": "other.test"},
            {"Accept-Encoding": "identity"},
            {"Connection": "close"},
            {"Content-Length": "0"},
            {"Traceparent-Like": "00-1-2-3"},
            [("X-A", "1"), ("X-A", "2")],
            [],
            "text",
        )
        for headers in odd:
            play.stage.note(f"headers: {headers!r}")
            play.exchange(headers=headers, timeout=5.0)


class Methods(Scene):
    """Methods: usual, own, lower case, and wrong ones."""

    def speak(self, play: Play) -> None:
        for method in (
            "PUT",
            "PATCH",
            "DELETE",
            "OPTIONS",
            "PURGE",
            "get",
            "pOsT",
            "X" * 40,
            "A B",
            "",
            "GÉT",
        ):
            play.exchange(method, body=b"" if method == "PUT" else None, timeout=5.0)


class Targets(Scene):
    """Paths and queries: escaped, unescaped, empty, with fragments and userinfo; hosts that are none."""

    def speak(self, play: Play) -> None:
        host = f"127.0.0.1:{play.server.port}"
        for rest in (
            "a%20b",
            "a b",
            "ü",
            "?",
            "?a=b&a=c",
            "#part",
            "a?q=ü#x",
            "..//./a",
            "%",
            "a;b=c",
            "?a?b",
        ):
            play.exchange(rest=rest)
        for url in (
            f"http://ann:pass@{host}/",
            f"http://{host}",
            f"http://{host}?a=b",
            f"HTTP://{host}/",
            f"http://localhost:{play.server.port}/",
            "http:///nohost",
            "http://",
            "ftp://127.0.0.1:1/",
            "nonsense",
            "http://127.0.0.1:99999/",
            "http://[::1/",
        ):
            play.stage.note(url)
            play.exchange(url=url)


class InContext(Scene):
    """What an app puts into context variables while it sends stays there, or goes, as it would."""

    def speak(self, play: Play) -> None:
        MARK.set("before")

        def each(number: int) -> None:
            play.stage.note(f"in the upload: {MARK.get()}")
            MARK.set(f"set by piece {number}")

        pulled = Pulled(play.stage, [b"1", b"2"], each=each)
        play.exchange("POST", body=play.client.generator(pulled), options=_chunked(play))
        play.stage.note(f"after: {MARK.get()}")
        if play.client.hooks:
            play.exchange(hook=lambda response: MARK.set("set by a hook"))
            play.stage.note(f"after: {MARK.get()}")


class OnlyOnce(Scene):
    """An upload that is redirected, and one that is asked for again: what is repeated, and what cannot be."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        if wire.target.startswith("/again"):
            wire.answer(b"", "Location: /there", status="307 Again")
        elif wire.target.startswith("/busy") and wire.count == 1:
            wire.answer(b"", "Retry-After: 0", status="503 Busy")
        else:
            wire.answer()

    def speak(self, play: Play) -> None:
        for rest in ("again", "busy"):
            for make in (
                lambda: b"bytes",
                lambda: play.client.generator(Pulled(play.stage, [b"1", b"2"])),
                lambda: io.BytesIO(b"file"),
                lambda: _advanced(io.BytesIO(b"half a file")),
            ):
                play.exchange("POST", rest=rest, body=make())
