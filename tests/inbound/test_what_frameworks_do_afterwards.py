"""What frameworks do around and after an answer happens as it would without spantap."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import spantap
from spantap.export.memory import MemorySink
from spantap.export.sqlite import SQLiteSink
from spantap.testing.wire import ask, request

TESTS = Path(__file__).parent.parent
PROVIDER = TracerProvider()


@pytest.fixture
def sink() -> Iterator[MemorySink]:
    sink = MemorySink()
    handle = spantap.configure(destinations=[sink], tracer_provider=PROVIDER)
    yield sink
    handle.shutdown()


def flask_app(noted: list[str]) -> Any:
    import flask

    app = flask.Flask(__name__)
    app.before_request(lambda: noted.append("before_request"))
    app.teardown_request(lambda error: noted.append(f"teardown_request {error}"))
    app.teardown_appcontext(lambda error: noted.append(f"teardown_appcontext {error}"))

    @app.after_request
    def after(response: Any) -> Any:
        noted.append("after_request")
        response.call_on_close(lambda: noted.append("call_on_close"))
        return response

    @app.get("/plain")
    def plain() -> str:
        return "plain"

    @app.get("/stream")
    def stream() -> Any:
        def pieces() -> Iterator[str]:
            try:
                for number in range(3):
                    noted.append(f"piece {number} of {flask.request.path}")
                    yield f"piece {number}\n"
            finally:
                noted.append("generator closed")

        return flask.stream_with_context(pieces())

    @app.get("/fail")
    def fail() -> str:
        raise ValueError("as asked")

    return app


def served_by_werkzeug(app: Any) -> list[bytes]:
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    server = make_server("127.0.0.1", 0, app, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        return [
            ask(server.server_port, request("GET", path)).on_the_wire
            for path in ("/plain", "/stream", "/fail", "/nowhere")
        ]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_flask_tears_down_as_it_would(sink: MemorySink) -> None:
    """Before, after, teardown, `call_on_close` and a stream's context: the same, in the same order."""
    usual: list[str] = []
    noted: list[str] = []

    without = served_by_werkzeug(flask_app(usual))
    with_us = served_by_werkzeug(spantap.instrument_app(flask_app(noted)))

    assert with_us == without
    assert noted == usual
    assert usual.count("call_on_close") == usual.count("after_request") == 4
    assert "teardown_request as asked" in usual
    assert spantap.configure(destinations=[sink], tracer_provider=PROVIDER).flush(5)
    assert [each.request.path for each in reversed(sink.read())] == ["/plain", "/stream", "/fail", "/nowhere"]


DJANGO = """
import json, sys, threading, time
import django
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from wsgiref.simple_server import WSGIRequestHandler, make_server
from spantap.testing.wire import ask, request as asking

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
)
noted = []
requests = []

def plain(request):
    requests.append(request)
    return HttpResponse("plain")

def stream(request):
    requests.append(request)
    def pieces():
        try:
            for number in range(3):
                yield f"piece {number}"
        finally:
            noted.append("generator closed")
    return StreamingHttpResponse(pieces())

def looks(request):
    return HttpResponse(f"{request.user.is_authenticated} {request.session.get('a')}")

urlpatterns = [path("plain", plain), path("stream", stream), path("looks", looks)]
request_started.connect(lambda **kwargs: noted.append("request_started"), weak=False)
request_finished.connect(lambda **kwargs: noted.append("request_finished"), weak=False)
app = get_wsgi_application()
if sys.argv[1] == "captured":
    import spantap
    app = spantap.instrument_app(app)

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
answers = []
for target in ("/plain", "/stream", "/looks", "/nowhere"):
    answers.append(ask(server.server_port, asking("GET", target)).on_the_wire.decode())
    deadline = time.monotonic() + 5
    while noted.count("request_finished") < len(answers) and time.monotonic() < deadline:
        time.sleep(0.01)
lazy = [(hasattr(each, "_cached_user"), each.session.accessed) for each in requests]
print(json.dumps({"answers": answers, "noted": noted, "lazy": lazy}))
"""


def test_django_finishes_as_it_would(tmp_path: Path) -> None:
    """`request_finished` once each, streams closed, nothing lazy looked at: no user, no session, no Vary."""
    told = {}
    (tmp_path / "script.py").write_text(DJANGO)
    for mode in ("bare", "captured"):
        done = subprocess.run(
            [sys.executable, "script.py", mode],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(TESTS), "OTEL_PYTHON_SPANTAP_SQLITE_PATH": "spantap.db"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told[mode] = json.loads(done.stdout)

    assert told["captured"] == told["bare"]
    assert told["bare"]["noted"].count("request_finished") == 4
    assert told["bare"]["lazy"] == [[False, False], [False, False]]
    vary = [answer.lower().count("\r\nvary: cookie") for answer in told["bare"]["answers"]]
    assert vary == [0, 0, 1, 0], "only the view that looks at the session makes the answer vary"
    assert len(SQLiteSink(tmp_path / "spantap.db").read()) == 4


def test_an_app_that_calls_another_in_the_process(sink: MemorySink) -> None:
    """Both are captured: each record has its own request and answer, the inner one is the outer's child."""

    def calling(app: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://in")

    def pair(captured: bool) -> Any:
        async def inside(request: Request) -> Response:
            body = await request.body()
            spantap.current().user("who called inside")
            return Response(b"inner got " + body)

        async def outside(request: Request) -> Response:
            body = await request.body()
            spantap.current().user("who called outside")
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(inner), base_url="http://in"
            ) as client:
                answer = await client.post("/inner", content=b"<" + body + b">")
            spantap.current().company("still outside")
            return Response(b"outer got " + answer.content)

        # Not FastAPI: where there is a global provider its own telemetry begins a trace for each.
        inner = Starlette(routes=[Route("/inner", inside, methods=["POST"])])
        outer = Starlette(routes=[Route("/outer", outside, methods=["POST"])])
        if captured:
            spantap.instrument_app(inner)
            spantap.instrument_app(outer)
        return outer

    async def answered(captured: bool) -> tuple[int, bytes, list[tuple[str, str]]]:
        async with calling(pair(captured)) as client:
            answer = await client.post("/outer", content=b"words")
        return answer.status_code, answer.content, answer.headers.multi_items()

    answers = [asyncio.run(answered(captured)) for captured in (False, True)]

    assert answers[0] == answers[1]
    assert answers[0][1] == b"outer got inner got <words>"
    assert spantap.configure(destinations=[sink], tracer_provider=PROVIDER).flush(5)
    outer, inner = sink.read()
    assert (inner.request.path, outer.request.path) == ("/inner", "/outer")
    assert (inner.identity.user, inner.identity.company) == ("who called inside", None)
    assert (outer.identity.user, outer.identity.company) == ("who called outside", "still outside")
    assert inner.trace_id == outer.trace_id
