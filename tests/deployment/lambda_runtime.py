"""What AWS Lambda does with a process, run as a program: it calls a handler and freezes the process.

    lambda_runtime.py ADAPTER

For each line on standard input (``{"path": ..., "body": ...}``) the handler is called and its answer
written to standard output; then the process stops itself with SIGSTOP, until somebody continues it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import spantap

JSON = "application/json"


def mangum() -> Any:
    import asyncio

    from mangum import Mangum
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def echo(request: Request) -> Response:
        body = await request.body()
        if request.url.path == "/fail":
            raise ValueError("as asked")
        return Response(body, media_type=JSON)

    asyncio.set_event_loop(asyncio.new_event_loop())
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["POST"])])
    return Mangum(spantap.instrument_app(app))


def flask_app() -> Any:
    from flask import Flask, Response, request

    app = Flask(__name__)

    @app.post("/<path:path>")
    def echo(path: str) -> Response:
        if path == "fail":
            raise ValueError("as asked")
        return Response(request.get_data(), content_type=JSON)

    return spantap.instrument_app(app)


def apig_wsgi() -> Any:
    from apig_wsgi import make_lambda_handler

    return make_lambda_handler(flask_app())


def serverless_wsgi() -> Any:
    from serverless_wsgi import handle_request

    app = flask_app()
    return lambda event, context: handle_request(app, event, context)


def event_of(path: str, body: str) -> dict[str, Any]:
    """As API Gateway writes it, version 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": JSON, "host": "shop.example", "content-length": str(len(body))},
        "requestContext": {
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "stage": "$default",
            "domainName": "shop.example",
        },
        "body": body,
        "isBase64Encoded": False,
    }


def main(adapter: str) -> None:
    handler = globals()[adapter]()
    for line in sys.stdin:
        answer = handler(event_of(**json.loads(line)), None)
        print(json.dumps([answer["statusCode"], answer["body"]]), flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    main(sys.argv[1])
