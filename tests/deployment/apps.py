"""Small apps that never heard of spantap, and the secrets that are planted in what they exchange."""

from __future__ import annotations

from pathlib import Path

# What must be found nowhere but with the client: in each place one of its own.
SECRETS = {
    "body": "correct-horse-7Wq",
    "query": "in-the-query-4Zt",
    "authorization": "sk-live-51Hq8xTzvAbC0dEfGhIjKl",
    "cookie": "monster-9Pz-2Lk",
    "set-cookie": "baked-5Tn-8Ru",
}

# Each answers POST /echo/<number> with the JSON it was sent and a cookie.
APPS = {
    "fastapi": """
import os
from fastapi import FastAPI, Request, Response
app = FastAPI()

@app.post("/echo/{number}")
async def echo(number: int, request: Request, response: Response):
    response.set_cookie("basket", os.environ["PLANTED"])
    return await request.json()
""",
    "starlette": """
import os
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def echo(request):
    response = JSONResponse(await request.json())
    response.set_cookie("basket", os.environ["PLANTED"])
    return response

app = Starlette(routes=[Route("/echo/{number:int}", echo, methods=["POST"])])
""",
    "flask": """
import os
from flask import Flask, jsonify, request
app = Flask(__name__)

@app.post("/echo/<int:number>")
def echo(number):
    response = jsonify(request.get_json())
    response.set_cookie("basket", os.environ["PLANTED"])
    return response
""",
    "django": """
import json, os
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x")

def echo(request, number):
    response = JsonResponse(json.loads(request.body))
    response.set_cookie("basket", os.environ["PLANTED"])
    return response

urlpatterns = [path("echo/<int:number>", echo)]
app = get_wsgi_application()
asgi = get_asgi_application()
""",
    "asgi": """
import os

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("no lifespan")
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    cookie = b"basket=" + os.environ["PLANTED"].encode()
    headers = [(b"content-type", b"application/json"), (b"set-cookie", cookie)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
""",
    "wsgi": """
import os

def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    cookie = "basket=" + os.environ["PLANTED"]
    start_response("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", cookie)])
    return [body]
""",
    "litestar": """
import os
from typing import Any
from litestar import Litestar, Response, post

@post("/echo/{number:int}", status_code=200)
async def echo(number: int, data: dict[str, Any]) -> Response[dict[str, Any]]:
    response = Response(data)
    response.set_cookie("basket", os.environ["PLANTED"])
    return response

app = Litestar([echo])
""",
    "falcon": """
import os
import falcon
import falcon.asgi

class Echo:
    def on_post(self, request, response, number):
        response.media = request.media
        response.set_cookie("basket", os.environ["PLANTED"])

class AsyncEcho:
    async def on_post(self, request, response, number):
        response.media = await request.get_media()
        response.set_cookie("basket", os.environ["PLANTED"])

app = falcon.App()
app.add_route("/echo/{number:int}", Echo())
asgi = falcon.asgi.App()
asgi.add_route("/echo/{number:int}", AsyncEcho())
""",
}
# A Django project as `startproject` lays it out: what names the settings is manage.py, wsgi.py, asgi.py.
DJANGO_PROJECT = {
    "manage.py": """
import os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/settings.py": """
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
""",
    "shop/urls.py": """
import json, os
from django.http import JsonResponse
from django.urls import path

def echo(request, number):
    response = JsonResponse(json.loads(request.body))
    response.set_cookie("basket", os.environ["PLANTED"])
    return response

urlpatterns = [path("echo/<int:number>", echo)]
""",
    "shop/wsgi.py": """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
""",
    "shop/asgi.py": """
import os
from django.core.asgi import get_asgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_asgi_application()
""",
}
ROUTES = {
    "fastapi": "/echo/{number}",
    "starlette": "/echo/{number}",
    "flask": "/echo/<int:number>",
    "django": "/echo/<int:number>",
}
# What somebody who does know of spantap adds to an app; to Django's, in its settings.
IN_CODE = """
import spantap
app = spantap.instrument_app(app)
"""
IN_CODE_ASGI = """
import spantap
asgi = spantap.instrument_app(asgi)
"""
IN_SETTINGS = """
MIDDLEWARE = ["spantap.DjangoMiddleware"]
"""
# AWS Lambda's handlers.
HANDLERS = {
    "mangum": """
import asyncio
from mangum import Mangum
asyncio.set_event_loop(asyncio.new_event_loop())
handler = Mangum({app}, lifespan="off")
""",
    "apig-wsgi": """
from apig_wsgi import make_lambda_handler
handler = make_lambda_handler({app})
""",
    "serverless-wsgi": """
from serverless_wsgi import handle_request

def handler(event, context):
    return handle_request({app}, event, context)
""",
}


def django_project(folder: Path) -> None:
    """Write the project there."""
    for name, text in DJANGO_PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
