"""How exchanges end before their time: resets, time-outs, responses nobody reads."""

from __future__ import annotations

import gc
import socket
import threading
from typing import Any

from contracts.outbound.adapter import Client
from contracts.outbound.scene import Play, Scene
from contracts.outbound.wire import Wire


def _no_retries(play: Play) -> dict[str, Any]:
    return {"retries": False} if play.client.name == "urllib3" else {}


class Resets(Scene):
    """The server resets the connection: before its head, in it, behind it, in the body."""

    chance = True

    def serve(self, wire: Wire) -> None:
        wire.body()
        said = {
            "before": b"",
            "in-head": b"HTTP/1.1 200 OK\r\nX",
            "behind": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n",
            "in-body": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nsome",
            "in-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n9\r\nso",
        }
        wire.send(said[wire.target.strip("/")])
        if wire.target != "/before":
            wire.stage.wait("reset", wire.notes)
        wire.reset()

    def speak(self, play: Play) -> None:
        play.exchange(rest="before", options=_no_retries(play))
        play.settle()
        for kind in ("behind", "in-body", "in-chunk"):
            play.stage.gate("reset").clear()
            reply = play.send(rest=kind, stream=True, options=_no_retries(play))
            play.stage.gate("reset").set()
            if reply is not None:
                play.rest(reply)
            play.settle()
        play.exchange(rest="in-head", options=_no_retries(play))
        play.settle()
        play.exchange(rest="in-body", options=_no_retries(play))


class ClosedEarly(Scene):
    """The server closes the connection in the middle of its body."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        if wire.target == "/length":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nsome of it")
        else:
            wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
        wire.close()

    def speak(self, play: Play) -> None:
        for rest in ("length", "chunks"):
            for stream in (False, True):
                play.exchange(rest=rest, stream=stream, options=_no_retries(play))
                play.settle()


class Refused(Scene):
    """Nobody listens; no such host."""

    least = 0

    def speak(self, play: Play) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # not listening
            play.exchange(url=f"http://127.0.0.1:{taken.getsockname()[1]}/a", options=_no_retries(play))
        play.exchange(url="http://no-such-host.invalid/", options=_no_retries(play), timeout=5.0)


class TimeOuts(Scene):
    """The server is slower than the app's patience: before its head, and in its body."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        if wire.target == "/body":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nsome")
        wire.until_gone()

    def speak(self, play: Play) -> None:
        for rest, stream in (("head", False), ("body", False), ("body", True)):
            play.exchange(rest=rest, stream=stream, timeout=0.3, options=_no_retries(play))


class Unread(Scene):
    """A response is closed unread, half read, dropped without a word; then comes another request."""

    chance = True  # when a dropped connection ends is the collector's affair

    def serve(self, wire: Wire) -> None:
        wire.body()
        if wire.target == "/chunks":
            wire.begin_chunks()
            for _ in range(3):
                wire.chunk(b"x" * 1000)
            wire.chunk(b"")
        elif wire.target == "/never":
            wire.begin_chunks()
            wire.chunk(b"x" * 1000)
            wire.until_gone()
            wire.stage.gate("gone").set()
        else:
            wire.answer(b"y" * 3000)

    def speak(self, play: Play) -> None:
        for rest in ("length", "chunks", "never"):
            for how in ("closed", "half read", "dropped"):
                reply = play.send(rest=rest, stream=True)
                assert reply is not None
                if how == "half read":
                    play.stage.note(reply.piece(1000)[:10])
                if how != "dropped":
                    play.trying("close", reply.close)
                    play.stage.note(reply.state())
                    if rest == "never":
                        play.client.turn()
                        play.stage.wait("gone")  # at once, not when somebody collects it
                        play.stage.gate("gone").clear()
                    else:
                        play.trying("read what is closed", reply.read)
                del reply
                gc.collect()
                play.stage.note(f"{rest}, {how}")
                play.exchange(rest="next")


class ReadElsewhere(Scene):
    """A response is read and closed by another thread than the one that asked."""

    def suits(self, client: type[Client]) -> bool:
        return not client.asynchronous

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.begin_chunks()
        for _ in range(3):
            wire.chunk(b"x" * 1000)
        wire.chunk(b"")

    def speak(self, play: Play) -> None:
        reply = play.send(stream=True)
        assert reply is not None
        thread = threading.Thread(target=play.rest, args=(reply,))
        thread.start()
        thread.join()
        play.exchange()


class ManyThreads(Scene):
    """Eight threads share one client."""

    crowd = True

    def suits(self, client: type[Client]) -> bool:
        return not client.asynchronous

    def speak(self, play: Play) -> None:
        from contracts.outbound.adapter import Ask

        answers: list[tuple[int, bytes]] = []

        def work(number: int) -> None:
            for at in range(5):
                reply = play.client.send(Ask("POST", play.url(f"{number}/{at}"), body=b"b" * number))
                answers.append((reply.status, reply.read()))
                reply.close()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        play.stage.note(sorted(answers))


class ClosedUnderneath(Scene):
    """The client is closed while a response is open; the rest of it is read afterwards."""

    chance = True

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.begin_chunks()
        wire.chunk(b"x" * 1000)
        wire.stage.wait("closed", wire.notes)
        wire.chunk(b"")

    def suits(self, client: type[Client]) -> bool:
        return not client.asynchronous

    def speak(self, play: Play) -> None:
        reply = play.send(stream=True)
        assert reply is not None
        play.stage.note(reply.piece(1000)[:10])
        play.trying("close the client", play.client.close)
        play.stage.gate("closed").set()
        play.rest(reply)


class IdleClosed(Scene):
    """The server closes a connection that waits in the pool; the client uses another, or says so."""

    def serve(self, wire: Wire) -> None:
        wire.body()
        wire.answer()
        wire.close()

    def speak(self, play: Play) -> None:
        for _ in range(3):
            play.exchange("POST", body=b"data")
            play.settle()
