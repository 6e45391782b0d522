"""One call, several requests: redirects, challenges, retries, cookies; proxies and TLS; hooks; copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

from contracts.outbound.adapter import Client
from contracts.outbound.scene import Play, Pulled, Scene
from contracts.outbound.wire import Wire

CERTIFICATE: list[str] = []
"""The path of the one to trust, once there is one."""


class Redirects(Scene):
    """Chains of redirects, other hosts, other methods, a circle, and Locations that are none."""

    least = 10

    def serve(self, wire: Wire) -> None:
        wire.body()
        kind, _, left = wire.target.strip("/").partition("/")
        target = {
            "circle": "/circle",
            "nowhere": "http://",
            "empty": "",
            "other": f"http://localhost:{wire.stage.port}/end",
            "bytes": "/\xfc",
            "scheme": "ftp://x.test/",
        }.get(kind)
        if target is not None:
            wire.answer(b"go", f"Location: {target}", status="302 Go")
        elif kind == "end" or not left.strip("0"):
            wire.answer(b"arrived")
        else:
            wire.answer(b"go", f"Location: /{kind}/{int(left) - 1}", "Set-Cookie: a=b", status=f"{kind} Go")

    def speak(self, play: Play) -> None:
        for kind in ("301", "302", "303", "307", "308"):
            play.exchange(rest=f"{kind}/2")
            play.exchange("POST", rest=f"{kind}/1", body=b"data")
        play.exchange(rest="302/2", stream=True)
        play.exchange(rest="302/2", redirects=False)
        for kind in ("circle", "nowhere", "empty", "other", "bytes", "scheme"):
            play.exchange(rest=kind, headers={"Authorization": "Basic YTpi"})


class Digest(Scene):
    """A challenge that is answered."""

    least = 2

    def suits(self, client: type[Client]) -> bool:
        return client.digests

    def serve(self, wire: Wire) -> None:
        wire.body()
        if wire.header("authorization"):
            wire.answer(b"in")
        else:
            challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
            wire.answer(b"who?", challenge, status="401 Who")

    def speak(self, play: Play) -> None:
        play.exchange(digest=("ann", "pass"))
        play.exchange("POST", body=b"data", digest=("ann", "pass"))
        play.exchange("POST", body=play.client.generator(Pulled(play.stage, [b"1"])), digest=("ann", "pass"))


class Retries(Scene):
    """urllib3 tries again after 503, and after a connection that broke."""

    least = 4

    def suits(self, client: type[Client]) -> bool:
        return client.name == "urllib3"

    def serve(self, wire: Wire) -> None:
        wire.body()
        if wire.stage.requests % 3 == 1:
            wire.answer(b"busy", status="503 Busy")
        elif wire.stage.requests % 3 == 2:
            wire.close()
        else:
            wire.answer()

    def speak(self, play: Play) -> None:
        import urllib3

        retries = urllib3.Retry(5, status_forcelist=[503], backoff_factor=0)
        play.exchange(options={"retries": retries})
        play.exchange("PUT", body=b"data", options={"retries": retries})
        play.exchange("PUT", body=b"data", options={"retries": urllib3.Retry(0, status_forcelist=[503])})


class Cookies(Scene):
    """A session's cookies come back with the next request."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.answer(b"ok", f"Set-Cookie: n={wire.count}; Path=/", "Set-Cookie: other=1")

    def speak(self, play: Play) -> None:
        for _ in range(3):
            play.exchange()


class Hooked(Scene):
    """Hooks of the client's: one that sends a request itself, one that raises."""

    least = 2

    def suits(self, client: type[Client]) -> bool:
        return client.hooks and not client.asynchronous

    def speak(self, play: Play) -> None:
        def sends(response: Any) -> None:
            inner = Play(play.server, play.secure)
            inner.client = type(play.client)()
            inner.exchange(rest="inner")
            inner.client.close()

        def raises(response: Any) -> None:
            raise LookupError("a hook")

        for hook in (sends, raises, lambda response: play.stage.note(type(response).__name__)):
            play.exchange(rest="outer", hook=hook)
            play.exchange(rest="outer", hook=hook, stream=True)


class OverTls(Scene):
    """The same over TLS, with a certificate that is trusted and one that is not."""

    def make(self, kind: type[Client], play: Play) -> Client:
        return kind(CERTIFICATE[0])

    def speak(self, play: Play) -> None:
        for name in ("127.0.0.1", "localhost"):
            url = f"https://{name}:{play.secure.port}/a"
            options = {"retries": False} if play.client.name == "urllib3" else {}
            play.exchange("POST", url=url, body=b"data", options=options)
            play.exchange(url=url, stream=True, options=options)


class ByProxy(Scene):
    """By a proxy: plain requests in full, TLS through a tunnel."""

    least = 1

    def make(self, kind: type[Client], play: Play) -> Client:
        return kind(CERTIFICATE[0], f"http://127.0.0.1:{play.server.port}")

    def serve(self, wire: Wire) -> None:
        if wire.method == "CONNECT":
            if wire.target.startswith("127"):
                wire.send(b"HTTP/1.1 200 Tunnel\r\n\r\n")
                wire.to_tls()
            else:
                wire.answer(b"no", status="407 No")
            return
        wire.body()
        wire.answer(b"by proxy")

    def speak(self, play: Play) -> None:
        options = {"retries": False} if play.client.name == "urllib3" else {}
        for url in ("http://shop.test/a?b=c", "https://127.0.0.1:4/a", "https://shop.test/a"):
            play.exchange("POST", url=url, body=b"data", options=options)
            play.exchange(url=url, stream=True, options=options)


class Copied(Scene):
    """Responses and sessions are copied and pickled, as caches do."""

    def suits(self, client: type[Client]) -> bool:
        return client.name in ("requests", "httpx")

    def speak(self, play: Play) -> None:
        for stream in (False, True):
            reply = play.send(stream=stream)
            assert reply is not None
            for way in (copy.copy, lambda each: pickle.loads(pickle.dumps(each))):
                again = play.trying("copy", way, reply.raw)
                if again is not None:
                    play.stage.note(again.status_code)
                    play.stage.note(play.trying("content", getattr, again, "content"))
            reply.close()


class Sequence(Scene):
    """Thirty requests in turn: one connection where the client keeps one."""

    least = 30

    def speak(self, play: Play) -> None:
        for number in range(30):
            reply = play.send("POST" if number % 2 else "GET", body=b"x" if number % 2 else None)
            assert reply is not None
            play.stage.note(reply.read())
            reply.close()
