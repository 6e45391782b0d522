"""The app on Flask."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response, jsonify, request, send_file

from contracts.inbound.apps import answers
from contracts.inbound.apps.with_wsgi import pieces


def make() -> Any:
    app = Flask(__name__)

    @app.post("/echo/<name>")
    def echo(name: str) -> Response:
        body = request.get_data()
        time.sleep(answers.ECHO_PAUSE)
        response = Response(answers.echo_body(name, body))
        del response.headers["Content-Type"]
        for header in answers.echo_headers(name):
            response.headers.add(*header)
        return response

    @app.get("/echo")
    def plain_echo() -> Response:
        return Response(answers.ECHO, mimetype="text/plain")

    @app.get("/stream")
    def stream() -> Response:
        return Response(pieces(request.args.to_dict(), broken=False), mimetype="text/plain")

    @app.get("/halfway")
    def halfway() -> Response:
        return Response(pieces(request.args.to_dict(), broken=True), mimetype="text/plain")

    @app.get("/empty")
    def empty() -> Response:
        return Response(status=204, headers={"X-Empty": "yes"})

    @app.get("/boom")
    def boom() -> Response:
        raise answers.BoomError(answers.BOOM)

    @app.get("/big")
    def big() -> Response:
        return Response(answers.BIG, mimetype="text/plain")

    @app.post("/ignore")
    def ignore() -> Response:
        return Response(answers.IGNORED, mimetype="text/plain")

    @app.get("/who")
    def who() -> Response:
        return jsonify(answers.who())

    @app.get("/file")
    def file() -> Response:
        return send_file(answers.FILE)

    return app
