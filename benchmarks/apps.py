"""The same four routes as a FastAPI, a Flask and a Django app."""

from collections.abc import Iterator
from typing import Any

ITEMS = [{"id": number, "name": f"item {number}", "price": number * 1.25} for number in range(330)]
SMALL = {"name": "Ada", "items": ITEMS[:18]}
CHUNK = b"x" * 4096
CHUNKS = 64


def chunks() -> Iterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


def fastapi() -> Any:
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, StreamingResponse

    app = FastAPI()

    @app.post("/echo/{name}")
    async def echo(name: str, request: Request) -> JSONResponse:
        return JSONResponse(await request.json())

    @app.get("/items")
    async def items() -> JSONResponse:
        return JSONResponse(ITEMS)

    @app.post("/upload")
    async def upload(request: Request) -> JSONResponse:
        return JSONResponse({"size": len(await request.json())})

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def produce() -> Any:
            for chunk in chunks():
                yield chunk

        return StreamingResponse(produce(), media_type="text/plain")

    return app


def flask() -> Any:
    from flask import Flask, Response, request

    app = Flask("bench")

    @app.post("/echo/<name>")
    def echo(name: str) -> Any:
        return request.get_json()

    @app.get("/items")
    def items() -> Any:
        return ITEMS

    @app.post("/upload")
    def upload() -> Any:
        return {"size": len(request.get_json())}

    @app.get("/stream")
    def stream() -> Any:
        return Response(chunks(), mimetype="text/plain")

    return app


def django() -> Any:
    import json

    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
    from django.urls import path

    def echo(request: HttpRequest, name: str) -> JsonResponse:
        return JsonResponse(json.loads(request.body))

    def items(request: HttpRequest) -> JsonResponse:
        return JsonResponse(ITEMS, safe=False)

    def upload(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"size": len(json.loads(request.body))})

    def stream(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(chunks(), content_type="text/plain")

    class Urls:
        urlpatterns = (
            path("echo/<str:name>", echo),
            path("items", items),
            path("upload", upload),
            path("stream", stream),
        )

    settings.ROOT_URLCONF = Urls
    return get_wsgi_application()
