"""Apps that answer with the bytes they were sent, and the header fields that say what these are."""

from __future__ import annotations

from typing import Any

import fastapi
import flask

COPIED = ("content-type", "content-encoding")


def with_fastapi() -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    @app.post("/echo/{case}")
    async def echo(case: str, request: fastapi.Request) -> fastapi.responses.StreamingResponse:
        body = await request.body()

        async def chunks() -> Any:
            for start in range(0, len(body), 5000):
                yield body[start : start + 5000]

        headers = {name: request.headers[name] for name in COPIED if name in request.headers}
        return fastapi.responses.StreamingResponse(chunks(), headers=headers)

    return app


def with_flask() -> flask.Flask:
    app = flask.Flask("bodies")

    @app.post("/echo/<case>")
    def echo(case: str) -> flask.Response:
        body = flask.request.get_data()
        headers = {name: flask.request.headers[name] for name in COPIED if name in flask.request.headers}
        return flask.Response((body[at : at + 5000] for at in range(0, len(body), 5000)), headers=headers)

    return app


asgi = with_fastapi()
wsgi = with_flask()
