"""Serves one app under a real server, in one of the ways people run spantap.

``python -m contracts.inbound.serve DOOR MODE --directory DIR [--server NAME]`` prints its port and
serves until its standard input ends. What the app's own exporter gets, in the modes that have
one, goes to ``DIR/spans.jsonl``.

Paths that begin with ``/-/`` never reach the app: they are the test's hand in the process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from contracts.inbound.apps import answers
from contracts.inbound.placements import Served, assemble


class Switchboard:
    """The callable the server gets: passes everything to the app, unchanged, but the test's own paths."""

    def __init__(self, served: Served) -> None:
        self.served = served

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/-/"):
            body = await asyncio.to_thread(self._control, scope["path"], scope["query_string"].decode())
            length = (b"content-length", str(len(body)).encode())
            await send({"type": "http.response.start", "status": 200, "headers": [length]})
            await send({"type": "http.response.body", "body": body})
            return
        await self.served.app(scope, receive, send)

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/-/"):
            body = self._control(environ["PATH_INFO"], environ["QUERY_STRING"])
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
        result: Iterable[bytes] = self.served.app(environ, start_response)
        return result

    def _control(self, path: str, query: str) -> bytes:
        match path.removeprefix("/-/"):
            case "marks":
                return json.dumps(sorted(answers.marks)).encode()
            case "release":
                answers.gate(parse_qs(query)["case"][0]).set()
            case "instrument":
                self.served.instrument()
            case "uninstrument":
                self.served.uninstrument()
        return b"done"


def under_uvicorn(make: Callable[[], Served], listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        Switchboard(make()).asgi, log_level="error", interface="asgi3", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)

    def stop() -> None:
        server.should_exit = True

    _at_end_of_input(stop)
    server.run(sockets=[listener])


def under_gunicorn(make: Callable[[], Served], listener: socket.socket) -> None:
    base: Any = importlib.import_module("gunicorn.app.base").BaseApplication  # has no types

    class Application(base):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in {
                "bind": f"fd://{listener.fileno()}",
                "worker_class": "gthread",
                "threads": 24,
                "loglevel": "error",
                "graceful_timeout": 5,
                "control_socket_disable": True,
            }.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Any:
            return Switchboard(make()).wsgi  # in the worker, as most people do

    master = os.getpid()
    _at_end_of_input(lambda: os.kill(master, signal.SIGTERM))
    Application().run()


def under_wsgiref(make: Callable[[], Served], listener: socket.socket) -> None:
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

    class Handler(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep quiet."""

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_address = listener.getsockname()
    server.server_name, server.server_port = "contract.test", listener.getsockname()[1]
    server.setup_environ()
    server.set_app(Switchboard(make()).wsgi)
    _at_end_of_input(server.shutdown)
    server.serve_forever(0.02)


SERVERS = {"uvicorn": under_uvicorn, "gunicorn": under_gunicorn, "wsgiref": under_wsgiref}


def _at_end_of_input(stop: Callable[[], object]) -> None:
    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        stop()

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("door")
    parser.add_argument("mode")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--server", choices=SERVERS, required=True)
    arguments = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    SERVERS[arguments.server](
        lambda: assemble(arguments.door, arguments.mode, arguments.directory / "spans.jsonl"), listener
    )


if __name__ == "__main__":
    main()
