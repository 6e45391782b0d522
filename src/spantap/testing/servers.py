"""The servers an app can be served by, each started with a socket that listens already.

Every function returns when `stop` was called by somebody who was given it: see `serve`.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

Start = Callable[[Callable[[], Any], socket.socket, Callable[[Callable[[], object]], None]], None]


def _uvicorn(http: str) -> Start:
    def start(make: Callable[[], Any], listener: socket.socket, on_stop: Any) -> None:
        import uvicorn

        server = uvicorn.Server(
            uvicorn.Config(
                make(), log_level="error", interface="asgi3", http=http, timeout_graceful_shutdown=5
            )
        )

        def stop() -> None:
            server.should_exit = True

        on_stop(stop)
        server.run(sockets=[listener])

    return start


def _hypercorn(make: Callable[[], Any], listener: socket.socket, on_stop: Any) -> None:
    import asyncio

    import hypercorn.asyncio
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{os.dup(listener.fileno())}"]
    config.loglevel = "ERROR"
    config.graceful_timeout = 1

    async def main() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        on_stop(lambda: loop.call_soon_threadsafe(over.set))
        await hypercorn.asyncio.serve(make(), config, mode="asgi", shutdown_trigger=over.wait)

    asyncio.run(main())


def _granian(make: Callable[[], Any], listener: socket.socket, on_stop: Any) -> None:
    from granian.constants import Interfaces
    from granian.server import Server

    server = Server(
        "spantap.testing.serve:asgi",
        address="127.0.0.1",
        port=listener.getsockname()[1],
        interface=Interfaces.ASGI,
        log_access=False,
        log_enabled=False,
        workers_kill_timeout=5,
    )
    listener.close()
    main = os.getpid()
    on_stop(lambda: os.kill(main, signal.SIGTERM))
    server.serve()


def _daphne(make: Callable[[], Any], listener: socket.socket, on_stop: Any) -> None:
    from daphne.server import Server
    from twisted.internet import reactor

    stopping: Any = reactor
    on_stop(lambda: stopping.callFromThread(stopping.stop))
    Server(make(), endpoints=[f"fd:fileno={listener.fileno()}"], signal_handlers=False).run()


def _gunicorn(worker: str) -> Start:
    def start(make: Callable[[], Any], listener: socket.socket, on_stop: Any) -> None:
        base: Any = importlib.import_module("gunicorn.app.base").BaseApplication  # has no types

        class Application(base):  # type: ignore[misc]
            def load_config(self) -> None:
                for name, value in {
                    "bind": f"fd://{listener.fileno()}",
                    "worker_class": worker,
                    "threads": 8 if worker == "gthread" else 1,
                    "loglevel": "error",
                    "graceful_timeout": 5,
                    "control_socket_disable": True,
                }.items():
                    if name in self.cfg.settings:
                        self.cfg.set(name, value)

            def load(self) -> Any:
                return make()  # in the worker, as most people do

        main = os.getpid()
        on_stop(lambda: os.kill(main, signal.SIGTERM))
        Application().run()

    return start


def _waitress(make: Callable[[], Any], listener: socket.socket, on_stop: Any) -> None:
    import waitress

    # A background job of a shell ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    server: Any = waitress.create_server(make(), sockets=[listener], threads=8)
    main = os.getpid()
    on_stop(lambda: os.kill(main, signal.SIGINT))
    server.run()


def _werkzeug(make: Callable[[], Any], listener: socket.socket, on_stop: Any) -> None:
    import logging

    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, make(), threaded=True, fd=listener.fileno())
    on_stop(server.shutdown)
    server.serve_forever(0.02)


def _django(make: Callable[[], Any], listener: socket.socket, on_stop: Any) -> None:
    from django.conf import settings
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    app = make()  # before the settings: it may have some of its own
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"])
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler, bind_and_activate=False)
    _serve_on(server, lambda: app, listener, on_stop)


def _wsgiref(make: Callable[[], Any], listener: socket.socket, on_stop: Any) -> None:
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

    class Handler(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep quiet."""

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
    _serve_on(server, make, listener, on_stop)


def _serve_on(server: Any, make: Callable[[], Any], listener: socket.socket, on_stop: Any) -> None:
    server.socket.close()
    server.socket = listener
    server.server_address = listener.getsockname()
    server.server_name, server.server_port = "contract.test", listener.getsockname()[1]
    server.setup_environ()
    server.set_app(make())
    on_stop(server.shutdown)
    server.serve_forever(0.02)


# Binds a socket of its own: the one it is given only keeps a port for it, and does not listen.
BINDS_ITSELF: Final = ("granian",)
ASGI: Final[dict[str, Start]] = {
    "uvicorn-httptools": _uvicorn("httptools"),
    "uvicorn-h11": _uvicorn("h11"),
    "hypercorn": _hypercorn,
    "granian": _granian,
    "daphne": _daphne,
    "gunicorn-uvicorn": _gunicorn("uvicorn_worker.UvicornWorker"),
}
WSGI: Final[dict[str, Start]] = {
    "gunicorn-sync": _gunicorn("sync"),
    "gunicorn-gthread": _gunicorn("gthread"),
    "gunicorn-gevent": _gunicorn("gevent"),
    "waitress": _waitress,
    "werkzeug": _werkzeug,
    "django": _django,
    "wsgiref": _wsgiref,
}
