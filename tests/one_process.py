"""A captured app, its server and its client in one process; run as a program.

    one_process.py FRAMEWORK PLAN

The plan is JSON: a list of ``[method, path, headers]``, ``["sleep", seconds]`` or ``["flush", seconds]``.
What the client saw and what `stats()` says is written to ``told.json``; ``["die"]`` ends the process
without its exit handlers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import spantap

BODY = b'{"word":"' + b"w" * 300 + b'"}'
JSON = "application/json"


def asgi() -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError("no lifespan")
        await receive()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", JSON.encode())]}
        )
        await send({"type": "http.response.body", "body": BODY})

    return app


def wsgi() -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/fail":
            raise ValueError("as asked")
        if environ["PATH_INFO"] == "/call":  # an app that asks another one, which is not there
            import requests

            with contextlib.suppress(requests.ConnectionError):
                requests.get("http://127.0.0.1:9/", timeout=5)
        start_response("200 OK", [("Content-Type", JSON), ("Content-Length", str(len(BODY)))])
        return [BODY]

    return app


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    return Starlette(routes=[Route("/{path:path}", lambda request: Response(BODY, media_type=JSON))])


def fastapi() -> Any:
    from fastapi import FastAPI, Response

    app = FastAPI()
    app.get("/{path:path}")(lambda path: Response(BODY, media_type=JSON))
    return app


def flask() -> Any:
    from flask import Flask, Response

    app = Flask(__name__)
    app.add_url_rule("/<path:path>", "all", lambda path: Response(BODY, content_type=JSON))
    return app


def django() -> Any:
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import re_path

    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x")
    urlpatterns.append(re_path(".*", lambda request: HttpResponse(BODY, content_type=JSON)))
    return get_wsgi_application()


urlpatterns: list[Any] = []


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def serve(framework: str, app: Any) -> int:
    """Serve an app in a thread; its port."""
    if framework in ("wsgi", "flask", "django"):
        server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    uvicorn_server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    threading.Thread(target=uvicorn_server.run, args=([listening],), daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


def ask(port: int, method: str, path: str, headers: dict[str, str]) -> int:
    """One request over the wire; its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        assert response.read() == BODY or response.status == 500
        return response.status
    finally:
        connection.close()


def main(framework: str, plan: list[list[Any]]) -> None:
    port = serve(framework, spantap.instrument_app(globals()[framework]()))
    handle = spantap.configure()
    statuses = []
    for step, *rest in plan:
        if step == "sleep":
            time.sleep(*rest)
        elif step == "flush":
            handle.flush(*rest)
        elif step != "die":
            statuses.append(ask(port, step, *rest))
            handle.tap.wait_for_open(10)  # the client has its answer before the server is done with it
    stats = handle.stats()
    destinations = {name: dataclasses.asdict(each) for name, each in stats.destinations.items()}
    Path("told.json").write_text(json.dumps({"statuses": statuses, "destinations": destinations}))
    if plan[-1] == ["die"]:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
