"""The ways a WSGI app reads its input; each must give what it would give without us."""

from __future__ import annotations

from typing import Any

from spantap.testing.scene import Client, Scene
from spantap.testing.scenes.words import respond, told

_LINES = b"first line\nsecond, longer line\n\nfourth without end"


class _Reading(Scene):
    """Reads its way, and answers with what it got."""

    def speak(self, client: Client) -> None:
        client.ask("POST", body=_LINES)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        return respond(start_response, told(self.read(environ["wsgi.input"])))

    def read(self, stream: Any) -> Any:
        raise NotImplementedError


class ReadAll(_Reading):
    """`read()`: to the end"""

    def speak(self, client: Client) -> None:
        client.ask("POST", {"Connection": "close"}, _LINES)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        # Some servers give the socket itself, on which this would wait for ever.
        ends = environ.get("wsgi.input_terminated") or "gunicorn" in environ["SERVER_SOFTWARE"]
        stream = environ["wsgi.input"]
        return respond(start_response, stream.read() if ends else stream.read(len(_LINES)))


class ReadSome(_Reading):
    """`read(n)` until nothing is left"""

    def read(self, stream: Any) -> Any:
        return [stream.read(size) for size in (0, 5, 1, 20, len(_LINES) - 26)]


class ReadLine(_Reading):
    """`readline()` and `readline(n)`"""

    def read(self, stream: Any) -> Any:
        return [stream.readline(), stream.readline(4), stream.readline(), stream.readline()]


class ReadLines(_Reading):
    """`readlines(hint)`"""

    def speak(self, client: Client) -> None:
        client.ask("POST", {"Connection": "close"}, _LINES + b"\n")

    def read(self, stream: Any) -> Any:
        return stream.readlines(12)


class Iterated(_Reading):
    """Line by line, with `for`"""

    def read(self, stream: Any) -> Any:
        lines = iter(stream)
        return [next(lines), next(lines), next(lines)]


class ReadMixed(_Reading):
    """Lines, then bytes"""

    def read(self, stream: Any) -> Any:
        return [stream.readline(), stream.read(3), stream.readline(), stream.read(len(_LINES) - 31)]


class InputAttributes(_Reading):
    """What else the input can do, it still can"""

    def read(self, stream: Any) -> Any:
        wanted = ("read", "readline", "readlines", "__iter__", "readinto", "close", "tell", "seek", "fileno")
        return [name for name in wanted if hasattr(stream, name)]
