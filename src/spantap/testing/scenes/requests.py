"""Request lines and header fields, the odd ones above all."""

from __future__ import annotations

from typing import Any, ClassVar

from spantap.testing.scene import Client, Scene
from spantap.testing.scenes.words import answer, respond, told

_ODD = "/caf%C3%A9/%2F%25/%zz/a%20b;c=1?q=%C3%A9&q=&=x&p=%00+%20#f"


class _Mirror(Scene):
    """The app answers with what it was given."""

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        given = {
            name: scope.get(name)
            for name in ("method", "path", "raw_path", "query_string", "root_path", "http_version", "scheme")
        }
        fields = [pair for pair in scope["headers"] if pair[0] != b"host"]
        await answer(send, told((given, fields)))

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        given = sorted(
            (name, value)
            for name, value in environ.items()
            if isinstance(value, str)
            and name not in ("HTTP_HOST", "SERVER_PORT", "REMOTE_PORT")
            and not name.startswith(("SERVER_SOFTWARE", "spantap"))
            and name.isupper()
            and name.startswith(("HTTP_", "REQUEST_", "PATH_", "QUERY_", "SCRIPT_", "CONTENT_", "RAW_"))
        )
        return respond(start_response, told(given))


class PlainGet(_Mirror):
    """GET without a body"""


class OddPath(_Mirror):
    """Percent-encoded and malformed path, empty and repeated parameters"""

    def speak(self, client: Client) -> None:
        client.ask(rest=_ODD)


class RawBytesInPath(_Mirror):
    """Bytes in the path that are not ASCII, and not UTF-8"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        client.say(b"GET /raw-bytes-in-path/\xff\xe9?\xfe HTTP/1.1\r\nHost: contract.test\r\n\r\n")


class RepeatedFields(_Mirror):
    """Header fields that are repeated, in mixed case, empty, and with spaces"""

    def speak(self, client: Client) -> None:
        client.say(
            b"GET /repeated-fields HTTP/1.1\r\nHost: contract.test\r\nX-A: 1\r\nx-a: 2\r\nX-B:\r\n"
            b"X-A:   3  \r\nCookie: a=1\r\nCookie: b=2\r\nX-Latin: caf\xe9\r\n\r\n"
        )


class ManyFields(_Mirror):
    """Ninety header fields"""

    def speak(self, client: Client) -> None:
        client.ask(headers={f"X-Field-{number}": "v" * 20 for number in range(90)})


class TooManyFields(_Mirror):
    """Two hundred header fields, more than some servers take"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        client.ask(headers={f"X-Field-{number}": "v" * 20 for number in range(200)})


class LongField(_Mirror):
    """A header field of 64 KB, more than some servers take"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        client.ask(headers={"X-Long": "v" * 65536})


class Head(_Mirror):
    """HEAD: a length, and no body"""

    def speak(self, client: Client) -> None:
        client.ask("HEAD")


class Options(_Mirror):
    """OPTIONS"""

    def speak(self, client: Client) -> None:
        client.ask("OPTIONS")


class Trace(_Mirror):
    """TRACE"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        client.ask("TRACE")


class UnknownMethod(_Mirror):
    """A method nobody knows"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        client.ask("BREW")


class OldVersion(_Mirror):
    """HTTP/1.0, answered and closed"""

    status: ClassVar[int | None] = None  # 200, in the one version or the other

    def speak(self, client: Client) -> None:
        client.say(b"GET /old-version HTTP/1.0\r\nHost: contract.test\r\n\r\n")


class KeptAlive(_Mirror):
    """Three requests on one connection, the last with a body"""

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            for number in range(2):
                client.saw(connection.ask(client.request(rest=f"/{number}")))
                client.until_over()
            client.saw(connection.ask(client.request("POST", body=b"unread", rest="/2")))


class Pipelined(_Mirror):
    """Two requests sent at once on one connection"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            connection.send(client.request(rest="/0") + client.request(rest="/1"))
            client.saw(connection.answer("GET"))
            client.saw(connection.answer("GET"))


class MalformedLength(_Mirror):
    """A Content-Length that is no number"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        client.say(client.request("POST", {"Content-Length": "ten", "Connection": "close"}))


class NegativeLength(_Mirror):
    """A Content-Length below zero"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        client.say(client.request("POST", {"Content-Length": "-5", "Connection": "close"}))


class NoHost(_Mirror):
    """HTTP/1.1 without a Host field"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        client.say(b"GET /no-host HTTP/1.1\r\nConnection: close\r\n\r\n")


class Traced(_Mirror):
    """A client that traces: its headers reach the app as they are"""

    def speak(self, client: Client) -> None:
        client.ask(
            headers={
                "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "tracestate": "a=1,b=2",
                "baggage": "k=v",
            }
        )


class MalformedTrace(_Mirror):
    """Trace headers that are none"""

    def speak(self, client: Client) -> None:
        client.ask(headers={"traceparent": "00-zz-!", "tracestate": ",,=", "baggage": ";=;" * 50})
