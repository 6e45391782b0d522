"""What frameworks add: apps within apps, compression by middleware, generators run in threads."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from spantap.testing.scene import Client, Scene
from spantap.testing.scenes.requests import PlainGet
from spantap.testing.scenes.streams import EndlessUntilLeft
from spantap.testing.scenes.words import TEXT, answer, piece, respond, start
from spantap.testing.wire import Answer

ZIPPED: Final = b"compressed by whoever is asked to " * 100
_CHANCE: Final = re.compile(rb"(?mi)^(?:date|content-length): [^\r]*\r\n")
_FIELDS: Final = (TEXT, ("Content-Encoding", "gzip"))


class Mounted(PlainGet):
    """An app mounted in another one"""

    def speak(self, client: Client) -> None:
        client.ask(rest="/inner?x=1")
        client.until_over()
        client.ask("POST", {"Content-Type": "application/json"}, b'{"a":1}', rest="/inner")
        client.until_over()
        client.ask(rest="/nothing/here")


class Zipped(Scene):
    """Compressed by a middleware, in one piece"""

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            self.unpacked(client, connection.ask(client.request(headers={"Accept-Encoding": "gzip"})))

    def unpacked(self, client: Client, came: Answer) -> None:
        """What it says; the compressed bytes may hold the time of day, and padding."""
        client.got("head", _CHANCE.sub(b"", came.head))
        client.got("pieces", str(len(came.pieces)).encode())
        zipped = "gzip" in came.header("Content-Encoding")
        client.got("content", zlib.decompress(came.content, 31) if zipped else came.content)

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, gzip.compress(ZIPPED), 200, _FIELDS)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        return respond(start_response, gzip.compress(ZIPPED), 200, _FIELDS)


class ZippedPieces(Zipped):
    """Compressed by a middleware, piece by piece"""

    varies: ClassVar[bool] = True  # how long each compressed piece is

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        packer = zlib.compressobj(wbits=31)
        await start(send, headers=_FIELDS)
        for _ in range(3):
            await piece(send, packer.compress(ZIPPED) + packer.flush(zlib.Z_SYNC_FLUSH))
        await piece(send, packer.flush(), more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        def pieces() -> Iterator[bytes]:
            packer = zlib.compressobj(wbits=31)
            for _ in range(3):
                yield packer.compress(ZIPPED) + packer.flush(zlib.Z_SYNC_FLUSH)
            yield packer.flush()

        start_response("200 OK", list(_FIELDS))
        return pieces()


class EndlessInThreads(EndlessUntilLeft):
    """An endless generator that an async framework runs in threads; its client leaves"""

    asgi: Any = None
    wsgi: Any = None
