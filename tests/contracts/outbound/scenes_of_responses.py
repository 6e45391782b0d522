"""What servers answer: codings, framings, statuses, and heads that are not as they should be."""

from __future__ import annotations

import gzip
import zlib
from typing import Any, Final

from contracts.outbound.scene import Play, Scene
from contracts.outbound.wire import Wire

_LINES: Final = b'{"name": "ada",\n "n": [1, 2, 3],\r\n "u": "\xc3\xbc"}\n'
_SIZE: Final = 1000


class PlainGet(Scene):
    """A GET, answered with a length, and another one on the same connection."""

    def speak(self, play: Play) -> None:
        play.exchange(rest="a?b=c")
        play.exchange(rest="d")


class Ways(Scene):
    """Every way the client has to read a response: with a length, in chunks, compressed, until the end."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        kind = wire.target.strip("/")
        fields = ("Content-Type: application/json; charset=utf-8",)
        if kind == "length":
            wire.answer(_LINES, *fields)
        elif kind == "chunks":
            wire.begin_chunks(*fields)
            for piece in (_LINES[:10], _LINES[10:11], _LINES[11:], b""):
                wire.chunk(piece)
        elif kind == "gzip":
            wire.answer(gzip.compress(_LINES, mtime=0), *fields, "Content-Encoding: gzip")
        elif kind == "empty":
            wire.answer(b"", *fields)
        else:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + _LINES)
            wire.close()

    def speak(self, play: Play) -> None:
        for kind in ("length", "chunks", "gzip", "empty", "until-closed"):
            for way in play.client.ways:
                reply = play.send(rest=kind, stream=True)
                assert reply is not None
                read = play.trying(way, play.client.read_in, way, reply)
                pieces = read if "it comes" not in way and way != "iterate" else _joined(read)
                play.stage.note(f"{kind}, {way}: {pieces!r}")
                play.stage.note(reply.state())
                play.trying("close", reply.close)
                play.stage.note(reply.state())


def _joined(read: Any) -> Any:
    """Pieces as they come depend on the network."""
    whole = isinstance(read, list) and all(isinstance(each, bytes) for each in read)
    return b"".join(read) if whole else read


class HandedOver(Scene):
    """A stream of chunks: each one reaches the app before the server sends the next."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.begin_chunks("Content-Type: text/event-stream")
        for number in range(4):
            wire.chunk(b"%d" % number * _SIZE)
            wire.stage.wait(f"read {number}", wire.notes)
        wire.chunk(b"")

    def speak(self, play: Play) -> None:
        reply = play.send(stream=True)
        assert reply is not None
        for number in range(5):
            play.stage.note(f"piece {reply.piece(_SIZE)!r}")
            play.stage.note(reply.state())
            play.stage.gate(f"read {number}").set()
        play.rest(reply)


class HandedOverByLength(HandedOver):
    """The same with a length: no piece is waited for that the app has not asked for."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * _SIZE))
        for number in range(4):
            wire.send(b"%d" % number * _SIZE)
            wire.stage.wait(f"read {number}", wire.notes)


class HandedOverUntilClosed(HandedOver):
    """The same until the connection is closed."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for number in range(4):
            wire.send(b"%d" % number * _SIZE)
            wire.stage.wait(f"read {number}", wire.notes)
        wire.close()


class HeadersFirst(Scene):
    """A streamed response is there with its headers, before the server has sent any of its body."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.begin_chunks()
        wire.stage.wait("seen", wire.notes)
        wire.chunk(b"late")
        wire.chunk(b"")

    def speak(self, play: Play) -> None:
        reply = play.send(stream=True)
        assert reply is not None
        play.stage.gate("seen").set()
        play.rest(reply)


class Trickle(Scene):
    """A body and its head come byte by byte."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        head = b"HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
        for byte in head + b"5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\n":
            wire.send(bytes((byte,)))

    def speak(self, play: Play) -> None:
        play.exchange()
        play.exchange(stream=True)


class Compressed(Scene):
    """gzip, deflate, raw deflate, and gzip that is broken or cut off."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        data = b"pressed " * 500
        raw = zlib.compressobj(wbits=-15)
        packed = {
            "gzip": gzip.compress(data, mtime=0),
            "deflate": zlib.compress(data),
            "raw": raw.compress(data) + raw.flush(),
            "broken": b"\x1f\x8b\x08" + bytes(50),
            "cut": gzip.compress(data, mtime=0)[:20],
            "unknown": b"zzz",
        }
        kind = wire.target.strip("/")
        coding = {"raw": "deflate", "broken": "gzip", "cut": "gzip"}.get(kind, kind)
        wire.answer(packed[kind], f"Content-Encoding: {coding}")

    def speak(self, play: Play) -> None:
        for kind in ("gzip", "deflate", "raw", "broken", "cut", "unknown"):
            play.exchange(rest=kind)
            play.exchange(rest=kind, stream=True)


class WithoutBody(Scene):
    """204, 304 and answers to HEAD, which may name a length: the connection is used on."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        if wire.method == "HEAD":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        else:
            wire.send(f"HTTP/1.1 {wire.target.strip('/')} Nothing\r\nETag: x\r\n\r\n".encode())

    def speak(self, play: Play) -> None:
        for stream in (False, True):
            play.exchange("HEAD", stream=stream)
            play.exchange(rest="204", stream=stream)
            play.exchange(rest="304", stream=stream)
            play.exchange("DELETE", rest="204", stream=stream)


class Interim(Scene):
    """100 Continue, 102 and 103 before the answer."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        code = wire.target.strip("/")
        wire.send(f"HTTP/1.1 {code} Wait\r\nLink: </a>; rel=preload\r\n\r\n".encode())
        wire.answer(b"at last")

    def speak(self, play: Play) -> None:
        for code in ("100", "102", "103"):
            play.exchange("POST", rest=code, body=b"now")

    chance = True


class Expecting(Scene):
    """The request says ``Expect: 100-continue``."""

    def serve(self, wire: Wire) -> None:
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.body()
        wire.answer(b"thanks")

    def speak(self, play: Play) -> None:
        play.exchange("POST", body=b"data", headers={"Expect": "100-continue"})


class Errors(Scene):
    """4xx and 5xx with bodies, read and not read."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        code = wire.target.strip("/")
        wire.answer(b"sorry", "Content-Type: text/plain", status=f"{code} Sorry")

    def speak(self, play: Play) -> None:
        for code in ("400", "404", "429", "500", "599"):
            play.exchange(rest=code)
            play.exchange(rest=code, stream=True)


class OldVersion(Scene):
    """HTTP/1.0: without a length, with keep-alive, and with neither."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        if wire.target == "/kept":
            wire.send(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
            return
        wire.send(b"HTTP/1.0 200 OK\r\n\r\nok")
        wire.close()

    def speak(self, play: Play) -> None:
        play.exchange(rest="kept")
        play.exchange(rest="kept")
        play.exchange(rest="closed")
        play.exchange(rest="closed", stream=True)


_MALFORMED: Final[dict[str, bytes]] = {
    "status-line": b"HELLO 200 OK\r\n\r\n",
    "status-code": b"HTTP/1.1 abc OK\r\n\r\n",
    "high-status": b"HTTP/1.1 999 Strange\r\nContent-Length: 0\r\n\r\n",
    "version": b"HTTP/7.7 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no-reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "no-colon": b"HTTP/1.1 200 OK\r\nthis is no header\r\nContent-Length: 2\r\n\r\nok",
    "folded": b"HTTP/1.1 200 OK\r\nX-A: one\r\n  two\r\nContent-Length: 2\r\n\r\nok",
    "repeated": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX: 1\r\nx: 2\r\n\r\n",
    "latin": b"HTTP/1.1 200 \xfcber\r\nX-Name: J\xfcrgen\r\nContent-Length: 2\r\n\r\nok",
    "control": b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "bad-length": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    "negative-length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
    "both-framings": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nok\r\n0\r\n\r\n",
    "bad-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",
    "bad-chunk-end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX\r\n0\r\n\r\n",
    "no-last-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "half-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
    "unknown-coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "long-line": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "many-headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 150 + b"Content-Length: 0\r\n\r\n",
    "more-than-length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
    "bare-newlines": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "nothing": b"",
    "half-head": b"HTTP/1.1 200 OK\r\nX-A: b\r\n",
    "http-0.9": b"just text",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nraw",
}


class Malformed(Scene):
    """Heads and framings that break the rules in some thirty ways; then the connection is closed."""

    chance = True

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.send(_MALFORMED[wire.target.strip("/")])
        wire.close()

    def speak(self, play: Play) -> None:
        for kind in _MALFORMED:
            options = {"retries": False} if play.client.name == "urllib3" else {}
            for stream in (False, True):
                play.exchange(rest=kind, stream=stream, options=options)
                play.settle()


class LargeDownload(Scene):
    """8 MB down: with a length, in chunks, compressed; read whole and piece by piece."""

    heavy = True

    def serve(self, wire: Wire) -> None:
        wire.body()
        data = bytes(range(256)) * (8 << 12)
        if wire.target == "/chunks":
            wire.begin_chunks()
            for at in range(0, len(data), 60_000):
                wire.chunk(data[at : at + 60_000])
            wire.chunk(b"")
        elif wire.target == "/gzip":
            wire.answer(gzip.compress(data, 1, mtime=0), "Content-Encoding: gzip")
        else:
            wire.answer(data)

    def speak(self, play: Play) -> None:
        for rest in ("length", "chunks", "gzip"):
            play.exchange(rest=rest)
            play.exchange(rest=rest, stream=True)
            reply = play.send(rest=rest, stream=True)
            assert reply is not None
            size = 0
            while piece := reply.piece(1 << 16):
                size += len(piece)
            play.stage.note(f"{size} bytes in pieces")
            reply.close()


class LongStream(Scene):
    """Twenty thousand small chunks."""

    heavy = True

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.begin_chunks()
        for number in range(20_000):
            wire.chunk(b"data: %d\n\n" % number)
        wire.chunk(b"")

    def speak(self, play: Play) -> None:
        play.exchange()
        play.exchange(stream=True)
