"""Two hundred requests at once, on threads and on an event loop: none has anything of another's."""

from __future__ import annotations

import asyncio
import contextvars
import http.client
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fastapi
import flask
import pytest
import uvicorn
import waitress
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span

import spantap
from spantap.codec.record import to_record
from spantap.export.memory import MemorySink
from spantap.model import Exchange
from spantap.otel.current import NOBODY

MANY = 200
PATIENCE = 240
OWN: contextvars.ContextVar[int] = contextvars.ContextVar("own", default=-1)  # the app's own
Notes = dict[int, dict[str, Any]]


def marker(number: int) -> str:
    return f"<{number:03}>"


def say(place: str, number: int) -> None:
    """What an app does anywhere: nobody hands it the request."""
    spantap.current().metadata(**{place: marker(number)})


def sees(notes: Notes, number: int, place: str) -> None:
    """What is in the context at a place: the app's own variable, and whose trace it is."""
    notes.setdefault(number, {})[place] = OWN.get()
    notes[number][f"{place} trace"] = get_current_span().get_span_context().trace_id


def in_new_threads(notes: Notes, number: int) -> None:
    """A thread that inherits the context, and one that does not."""
    context = contextvars.copy_context()
    inheriting = threading.Thread(target=context.run, args=(say, "thread", number))
    alone = threading.Thread(
        target=lambda: notes.setdefault(number, {}).update(alone=spantap.current() is NOBODY)
    )
    for thread in (inheriting, alone):
        thread.start()
        thread.join()


def with_flask(notes: Notes) -> flask.Flask:
    """All requests are in the view together, and then all in the middle of their responses."""
    app = flask.Flask("at_once")
    in_view, in_stream = (threading.Barrier(MANY, timeout=PATIENCE) for _ in range(2))
    executor = ThreadPoolExecutor(8)

    @app.post("/echo/<int:number>")
    def echo(number: int) -> flask.Response:
        OWN.set(number)
        spantap.current().user(f"user {marker(number)}")
        body = flask.request.get_json()
        in_view.wait()
        in_new_threads(notes, number)
        executor.submit(contextvars.copy_context().run, say, "executor", number).result()
        sees(notes, number, "view")

        def stream() -> Iterator[bytes]:
            yield b'{"answer":'
            in_stream.wait()
            say("stream", number)
            sees(notes, number, "stream")
            yield json.dumps(body).encode()
            yield b"}"
            say("end", number)

        return flask.Response(stream(), content_type="application/json")

    return app


def with_fastapi(notes: Notes) -> fastapi.FastAPI:
    """The same on an event loop."""
    app = fastapi.FastAPI()
    executor = ThreadPoolExecutor(8)
    waiting = [MANY, MANY]
    together: dict[int, asyncio.Event] = {}

    async def meet(place: int) -> None:
        event = together.setdefault(place, asyncio.Event())
        waiting[place] -= 1
        if not waiting[place]:
            event.set()
        await asyncio.wait_for(event.wait(), PATIENCE)

    def dependency(number: int) -> None:  # runs in a thread of Starlette's pool
        say("dependency", number)

    @app.post("/echo/{number}", dependencies=[fastapi.Depends(dependency)])
    async def echo(number: int, request: fastapi.Request) -> fastapi.responses.StreamingResponse:
        OWN.set(number)
        spantap.current().user(f"user {marker(number)}")
        body = await request.json()
        await meet(0)
        await asyncio.to_thread(in_new_threads, notes, number)
        run = contextvars.copy_context().run
        await asyncio.get_running_loop().run_in_executor(executor, run, say, "executor", number)
        sees(notes, number, "view")

        async def stream() -> AsyncIterator[bytes]:
            yield b'{"answer":'
            await meet(1)
            say("stream", number)
            sees(notes, number, "stream")
            await asyncio.sleep(0)
            yield json.dumps(body).encode()
            yield b"}"
            say("end", number)

        return fastapi.responses.StreamingResponse(stream(), media_type="application/json")

    return app


class Looking:
    """Stands between server and app, and looks what is left in the context when a request is over."""

    def __init__(self, app: Any, notes: Notes) -> None:
        self._app = app
        self._notes = notes

    def look(self, path: str) -> None:
        number = int(path.rpartition("/")[2])
        self._notes[number]["nobody after"] = spantap.current() is NOBODY
        sees(self._notes, number, "after")

    def wsgi(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        result = self._app(environ, start_response)
        try:
            yield from result
        finally:
            result.close()
            self.look(environ["PATH_INFO"])

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)
        if scope["type"] == "http":
            self.look(scope["path"])


def served_on_threads(app: Any, notes: Notes) -> tuple[int, Callable[[], object]]:
    server: Any = waitress.create_server(
        Looking(app, notes).wsgi, port=0, threads=MANY, connection_limit=2 * MANY, asyncore_use_poll=True
    )
    threading.Thread(target=server.run, daemon=True).start()
    return server.effective_port, server.close


def served_on_a_loop(app: Any, notes: Notes) -> tuple[int, Callable[[], object]]:
    server = uvicorn.Server(
        uvicorn.Config(Looking(app, notes).asgi, port=0, interface="asgi3", log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return server.servers[0].sockets[0].getsockname()[1], stop


KINDS: dict[str, tuple[Any, Any]] = {
    "threads": (with_flask, served_on_threads),
    "asyncio": (with_fastapi, served_on_a_loop),
}
SAID = {
    "threads": ("thread", "executor", "stream", "end"),
    "asyncio": ("dependency", "thread", "executor", "stream", "end"),
}


def trace_id(number: int) -> int:
    return 0xABC000 + number


def ask(port: int, number: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        headers = {
            "Content-Type": "application/json",
            "traceparent": f"00-{trace_id(number):032x}-{number + 1:016x}-01",
        }
        connection.request("POST", f"/echo/{number}?q={marker(number)}", sent(number), headers)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()
    finally:
        connection.close()


def sent(number: int) -> bytes:
    return json.dumps({"n": number, "note": marker(number) * (1 + number % 7)}).encode()


def at_once(kind: str, prepare: Callable[[Any], Any]) -> Notes:
    """Send them all; what the app saw in its contexts."""
    notes: Notes = {}
    build, serve = KINDS[kind]
    port, stop = serve(prepare(build(notes)), notes)
    try:
        with ThreadPoolExecutor(MANY) as clients:
            answers = list(clients.map(lambda number: ask(port, number), range(MANY)))
        deadline = time.monotonic() + PATIENCE
        while sum("after" in seen for seen in notes.values()) < MANY:  # a little later than the client
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        stop()
    assert answers == [b'{"answer":' + sent(number) + b"}" for number in range(MANY)]
    return notes


@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_at_once_do_not_mix(kind: str) -> None:
    """Each record pairs its own URL, bodies, user, trace and what was said of it, wherever it was said;
    the app's own context is what it is without us, and nothing of ours is left in it."""
    memory = MemorySink()
    provider = TracerProvider(shutdown_on_exit=False)
    handle = spantap.configure(destinations=[memory], tracer_provider=provider)
    try:
        notes = at_once(kind, spantap.instrument_app)
        assert handle.flush(60)
        records = memory.read(limit=2 * MANY)
    finally:
        handle.shutdown(5)
    bare = at_once(kind, lambda app: app)

    assert len(records) == MANY
    assert len({record.span_id for record in records}) == MANY
    for record in records:
        check(record, SAID[kind])
    for number in range(MANY):
        seen, without = notes[number], bare[number]
        assert seen.pop("view trace") == seen.pop("stream trace") == trace_id(number)
        assert seen.pop("after trace") == 0
        assert seen == {name: value for name, value in without.items() if not name.endswith("trace")}
        assert seen["alone"]
        assert seen["nobody after"]
        assert seen["view"] == seen["stream"] == number


def check(record: Exchange, places: tuple[str, ...]) -> None:
    """That everything in the record is of one request."""
    number = int(record.request.path.rpartition("/")[2])
    content = sent(number).decode()
    assert record.request.query == f"q={marker(number)}"
    assert record.request.body.content == content
    assert record.response.body.content == f'{{"answer":{content}}}'
    assert record.identity.user == f"user {marker(number)}"
    assert record.trace_id == f"{trace_id(number):032x}"
    assert record.parent_span_id == f"{number + 1:016x}"
    assert record.metadata == dict.fromkeys(places, marker(number))
    text = json.dumps(to_record(record))
    assert [other for other in range(MANY) if other != number and marker(other) in text] == []
