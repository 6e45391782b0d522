"""Request bodies: how they are framed and encoded, and how they arrive."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from typing import Any, ClassVar, Final

from spantap.testing.scene import Client, Scene
from spantap.testing.scenes.words import answer, body_of, respond
from spantap.testing.stage import note

_FORM: Final = "application/x-www-form-urlencoded"
_BOUNDARY: Final = "simple-boundary"
_MEGABYTE: Final = 1 << 20


def _digest(body: bytes) -> bytes:
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()


class _Upload(Scene):
    """The app reads all of it and answers with its length and hash."""

    headers: ClassVar[dict[str, str]] = {}

    def content(self) -> bytes:
        return b"x" * 100

    def speak(self, client: Client) -> None:
        client.ask("POST", self.headers, self.content())

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, _digest(await body_of(receive)))

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        chunked = environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
        body = environ["wsgi.input"].read() if chunked else environ["wsgi.input"].read(length)
        return respond(start_response, _digest(body))


class JsonBody(_Upload):
    """JSON with a length"""

    headers: ClassVar[dict[str, str]] = {"Content-Type": "application/json"}

    def content(self) -> bytes:
        return b'{"user":"ada","password":"correct-horse"}'


class EmptyBody(_Upload):
    """A body of length zero"""

    headers: ClassVar[dict[str, str]] = {"Content-Length": "0"}

    def content(self) -> bytes:
        return b""


class FormBody(_Upload):
    """A form"""

    headers: ClassVar[dict[str, str]] = {"Content-Type": _FORM}

    def content(self) -> bytes:
        return b"user=ada&password=correct+horse&empty=&%zz=%"


class MultipartBody(_Upload):
    """Two files, one of them big, and a field after them"""

    varies: ClassVar[bool] = True  # in how many messages it comes
    headers: ClassVar[dict[str, str]] = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}

    def content(self) -> bytes:
        def part(name: str, content: bytes, more: str = "") -> bytes:
            disposition = f'Content-Disposition: form-data; name="{name}"{more}'
            return f"--{_BOUNDARY}\r\n{disposition}\r\n\r\n".encode() + content + b"\r\n"

        return b"".join(
            (
                part("small", b"\x00\x01\x02", '; filename="small.bin"'),
                part("big", bytes(range(256)) * 1024, '; filename="big \xc3\xa9.bin"'),
                part("after", b"a field after the files"),
                f"--{_BOUNDARY}--\r\n".encode(),
            )
        )


class GzipBody(_Upload):
    """A compressed body, which the app gets as it is"""

    headers: ClassVar[dict[str, str]] = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    def content(self) -> bytes:
        return gzip.compress(b'{"a":1}' * 100, mtime=0)


class DeflateBody(_Upload):
    """A body in the other old encoding"""

    headers: ClassVar[dict[str, str]] = {"Content-Type": "text/plain", "Content-Encoding": "deflate"}

    def content(self) -> bytes:
        return zlib.compress(b"text " * 100)


class UnknownEncoding(_Upload):
    """A content coding nobody knows, and broken data"""

    headers: ClassVar[dict[str, str]] = {"Content-Type": "application/json", "Content-Encoding": "br, x-own"}

    def content(self) -> bytes:
        return bytes(range(256))


class InvalidText(_Upload):
    """JSON that is no UTF-8"""

    headers: ClassVar[dict[str, str]] = {"Content-Type": "application/json; charset=utf-8"}

    def content(self) -> bytes:
        return b'{"name":"\xff\xfe\x80"}'


class Bomb(_Upload):
    """Ten megabytes of zeros in ten kilobytes"""

    headers: ClassVar[dict[str, str]] = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    def content(self) -> bytes:
        return gzip.compress(b"0" * 10 * _MEGABYTE, mtime=0)


class LargeUpload(_Upload):
    """Two megabytes, read by the app"""

    varies: ClassVar[bool] = True  # in how many messages it comes

    def content(self) -> bytes:
        return bytes(range(256)) * (2 * _MEGABYTE // 256)


class HugeUpload(Scene):
    """A hundred megabytes, which the app reads piece by piece"""

    heavy: ClassVar[bool] = True
    varies: ClassVar[bool] = True  # in how many messages it comes

    def speak(self, client: Client) -> None:
        client.ask("POST", body=bytes(range(256)) * (100 * _MEGABYTE // 256))

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        digest, more = hashlib.sha256(), True
        while more:
            message = await receive()
            digest.update(message.get("body", b""))
            more = message.get("more_body", False)
        await answer(send, digest.hexdigest().encode())

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        digest, left = hashlib.sha256(), int(environ["CONTENT_LENGTH"])
        while left and (data := environ["wsgi.input"].read(min(left, 65536))):
            digest.update(data)
            left -= len(data)
        return respond(start_response, digest.hexdigest().encode())


class ChunkedBody(_Upload):
    """A chunked body, with an extension and a trailer"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        head = client.request("POST", {"Transfer-Encoding": "chunked", "Connection": "close"})
        client.say(head + b"5\r\nfirst\r\n6;ext=1\r\nsecond\r\n0\r\nX-Trailer: t\r\n\r\n")


class Unread(Scene):
    """A body the app does not read"""

    def speak(self, client: Client) -> None:
        client.ask("POST", body=b"y" * 1000)

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"not read")

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        return respond(start_response, b"not read")


class LargeUnread(Unread):
    """Two megabytes the app does not read"""

    status: ClassVar[int | None] = None  # some servers reset the connection

    def speak(self, client: Client) -> None:
        answered = client.connect()
        with answered as connection:
            connection.send(client.request("POST", {"Content-Length": str(2 * _MEGABYTE)}) + b"y" * 65536)
            client.got("status", str(connection.answer("POST").status).encode())


class HalfRead(Scene):
    """A body of which the app reads the beginning"""

    def speak(self, client: Client) -> None:
        client.ask("POST", body=b"begin" + b"y" * 200_000)

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, (await receive())["body"][:5])

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        return respond(start_response, environ["wsgi.input"].read(5))

    varies: ClassVar[bool] = True  # how much a first message holds is chance


class ContinueRead(_Upload):
    """Asked for with 100 Continue, because the app reads it"""

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            connection.send(client.request("POST", {"Expect": "100-continue", "Content-Length": "9"}))
            client.saw(connection.answer("POST", b"on demand"))


class ContinueUnread(Unread):
    """Offered with 100 Continue, and answered without: whoever reads early asks for it"""

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            connection.send(client.request("POST", {"Expect": "100-continue", "Content-Length": "9"}))
            client.saw(connection.answer("POST", b"on demand"))


class NotYetSent(Unread):
    """The app is called before any of the body is there, and answers without it"""

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            connection.send(client.request("POST", {"Content-Length": "4"}))
            client.until_noted("called")
            if "called" not in client.notes():  # nor will it be before the body is there
                connection.send(b"late")
            seen = connection.answer("POST")
            # Not its fields: whether a server says that it will close is a race within some of them.
            client.got("status and content", b"%d %b" % (seen.status, seen.content))


class ContinueRefused(Scene):
    """Refused with 413 before the body was asked for"""

    status: ClassVar[int | None] = 413

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            connection.send(client.request("POST", {"Expect": "100-continue", "Content-Length": "900000"}))
            client.saw(connection.answer("POST", b"z" * 900_000))

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"too large", 413, (("Connection", "close"),))

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("413 Content Too Large", [("Content-Length", "9")])
        return [b"too large"]


class SlowUpload(Scene):
    """Handled as it arrives: the second half is sent when the app has the first"""

    half: ClassVar[bytes] = b"h" * 4096  # some servers read a kilobyte at a time

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            connection.send(client.request("POST", {"Content-Length": "8192"}) + self.half)
            client.until_noted("has the first half")
            connection.send(self.half)
            client.saw(connection.answer("POST"))

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        first = b""
        while len(first) < len(self.half):
            first += (await receive())["body"]
        note(self.name, "has the first half")
        await answer(send, _digest(first + await body_of(receive)))

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        first = environ["wsgi.input"].read(len(self.half))
        note(self.name, "has the first half")
        return respond(start_response, _digest(first + environ["wsgi.input"].read(len(self.half))))

    varies: ClassVar[bool] = True  # in how many messages the first half comes


class LeftMidUpload(Scene):
    """The client leaves in the middle of its upload"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        connection = client.connect()
        connection.send(client.request("POST", {"Content-Length": "100000"}) + b"a beginning")
        client.until_noted("called")
        connection.leave()

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        note(self.name, "left")

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        try:
            note(self.name, f"read {len(environ['wsgi.input'].read(100_000))}")
        except OSError as error:
            note(self.name, f"read raised {type(error).__name__}")
        return respond(start_response, b"to nobody")
