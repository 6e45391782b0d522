"""What hooks are shown, what they change, and that they cannot hurt the app."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask import request as flask_request
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import spantap
from over_the_wire import ask, served
from spantap.export.memory import MemorySink
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange

JSON = {"Content-Type": "application/json", "X-Who": "ada"}
BODY = b'{"shop":"north","password":"p4ssw0rd"}'


def starlette() -> Any:
    async def all_of_it(request: Any) -> Any:
        sent = await request.body()
        return JSONResponse(answer(sent))

    return Starlette(routes=[Route("/{rest:path}", all_of_it, methods=["GET", "POST"])])


def flask() -> Any:
    app = Flask(__name__)

    @app.route("/<path:rest>", methods=["GET", "POST"])
    def all_of_it(rest: str) -> Any:
        return answer(flask_request.get_data())

    return app


def answer(sent: bytes) -> dict[str, Any]:
    return {"x": "private", "token": "t0ken-of-mine", "size": len(sent), "loop": loop_here()}


def loop_here() -> int:
    try:
        return id(asyncio.get_running_loop())
    except RuntimeError:
        return 0


@pytest.fixture
def capture() -> Iterator[Callable[..., Any]]:
    handles: list[spantap.Handle] = []

    def start(make: Callable[[], Any], **settings: Any) -> tuple[spantap.Handle, MemorySink, Any]:
        memory = MemorySink()
        settings.setdefault("tracer_provider", TracerProvider(shutdown_on_exit=False))
        handle = spantap.configure(destinations=[memory], **settings)
        handles.append(handle)
        return handle, memory, spantap.instrument_app(make())

    yield start
    for each in handles:
        each.shutdown(5)


def play(capture: Any, make: Callable[[], Any], *requests: Any, **settings: Any) -> list[Exchange]:
    """The records of some requests; their answers are the same with and without capture."""
    with served(make(), wsgi=make is flask) as port:
        plain = [json_of(ask(port, *each)) for each in requests]
    handle, memory, app = capture(make, **settings)
    with served(app, wsgi=make is flask) as port:
        captured = [json_of(ask(port, *each)) for each in requests]
        handle.tap.wait_for_open(30)
        assert handle.flush(30)
    assert captured == plain
    return list(memory.read()[::-1])


def json_of(answer: bytes) -> tuple[bytes, Any]:
    """The head without the length, and the body without the loop's number, which is another each time."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [each for each in head.split(b"\r\n") if not each.lower().startswith(b"content-length")]
    return b"\r\n".join(lines), {**json.loads(body), "loop": None}


def made(hook: Callable[[Any], Any], kind: str) -> Callable[[Any], Any]:
    """The same hook as a function, a coroutine function, or an object with an ``async __call__``."""
    if kind == "sync":
        return hook

    async def awaited(exchange: Any) -> Any:
        await asyncio.sleep(0.01)
        return hook(exchange)

    class Called:
        async def __call__(self, exchange: Any) -> Any:
            return await awaited(exchange)

    return awaited if kind == "async" else Called()


APPS = pytest.mark.parametrize("make", [starlette, flask])
KINDS = pytest.mark.parametrize("kind", ["sync", "async", "object"])


@pytest.mark.setting("identify_user", "identify_company", "session_token", "device", "metadata", "mask")
@APPS
@KINDS
def test_what_hooks_say(make: Callable[[], Any], kind: str, capture: Any) -> None:
    """Each hook sees the raw exchange, and its word is in the record; the client sees no change."""
    seen: list[Any] = []

    def user(exchange: spantap.RawExchange) -> Any:
        seen.append((exchange.scope or exchange.environ, exchange.framework_request, exchange.duration_ms))
        return exchange.request.headers.first("X-Who")

    def mask(exchange: spantap.EditableExchange) -> Any:
        assert exchange.response.body["token"] == "[REDACTED]"
        exchange.response.body["x"] = None
        exchange.response.headers["x-seen-by"] = ["mask"]
        exchange.request.body["shop"] = "south"
        exchange.device = "masked"
        return exchange

    hooks = {
        "identify_user": user,
        "identify_company": lambda exchange: exchange.request.body["shop"],
        "session_token": lambda exchange: exchange.request.body["password"],
        "device": lambda exchange: exchange.response.status,
        "metadata": lambda exchange: {"size": exchange.response.body["size"], "token": "t0ken"},
        "mask": mask,
    }
    (record,) = play(
        capture,
        make,
        ("/a?b=1", JSON, BODY),
        **{name: made(hook, kind) for name, hook in hooks.items()},
    )

    identity = record.identity
    assert (identity.user, identity.company, identity.device) == ("ada", "north", "masked")
    assert identity.session is not None
    assert "p4ssw0rd" not in identity.session
    assert record.metadata == {"size": len(BODY), "token": "[REDACTED]"}
    assert record.request.body.content == '{"shop":"south","password":"[REDACTED]"}'
    shown = json.loads(str(record.response.body.content))
    assert (shown["x"], shown["token"], shown["size"]) == (None, "[REDACTED]", len(BODY))
    assert record.response.headers["x-seen-by"] == ("mask",)
    ((native, request, took),) = seen
    assert native["type" if make is starlette else "PATH_INFO"] == ("http" if make is starlette else "/a")
    assert (request is None) is (make is starlette)
    assert took > 0


@pytest.mark.setting("skip", "mask")
@APPS
@KINDS
def test_what_hooks_leave_out(make: Callable[[], Any], kind: str, capture: Any) -> None:
    """`skip` and a `mask` that returns None keep no exchange, and are counted; the answer is as ever."""
    records = play(
        capture,
        make,
        ("/skipped",),
        ("/masked",),
        ("/kept",),
        skip=made(lambda exchange: exchange.request.path == "/skipped", kind),
        mask=made(lambda exchange: None if exchange.request.path == "/masked" else exchange, kind),
    )

    assert [each.request.path for each in records] == ["/kept"]
    handle = capture_handle()
    assert handle.stats().not_kept == {"skipped": 1, "masked": 1}
    assert {name: each.calls for name, each in handle.stats().hooks.items()} == {"skip": 3, "mask": 2}


def capture_handle() -> spantap.Handle:
    from spantap import configuration

    assert configuration._handle is not None
    return configuration._handle


def raising(exchange: Any) -> Any:
    raise ValueError(f"with a secret in it: {exchange.request.headers}")


def leaving(exchange: Any) -> Any:
    sys.exit("out")


async def hanging(exchange: Any) -> Any:
    await asyncio.sleep(3600)


async def stubborn(exchange: Any) -> Any:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)
            return "too late"


def nonsense(exchange: Any) -> Any:
    return [exchange]


NAMES = ("skip", "identify_user", "identify_company", "session_token", "device", "metadata", "mask")


@pytest.mark.setting("hook_timeout")
@APPS
@pytest.mark.parametrize("hook", [raising, leaving, hanging, stubborn, nonsense])
def test_hooks_that_go_wrong(
    make: Callable[[], Any], hook: Any, capture: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A hook that fails changes no answer; the exchange is kept without what it was to say, and without
    bodies if it was to mask them; it is told once, by name, without a value, and counted."""
    records = play(
        capture,
        make,
        ("/1", JSON, BODY),
        ("/2", JSON, BODY),
        **dict.fromkeys(NAMES, hook),
        hook_timeout=0.05,
    )

    assert [each.request.path for each in records] == ["/1", "/2"]
    for each in records:
        assert each.identity.user is each.identity.company is each.identity.session is None
        assert each.request.body.withheld == each.response.body.withheld == "mask-failed"
        assert each.response.body.size > 0
    assert {name: each.failed for name, each in capture_handle().stats().hooks.items()} == dict.fromkeys(
        NAMES, 2
    )
    told = [each.getMessage() for each in caplog.records if each.name == "spantap"]
    assert all(sum(f"hook {name}" in each for each in told) <= 1 for name in NAMES)
    assert "secret" not in caplog.text
    assert "p4ssw0rd" not in caplog.text


def test_a_failure_is_told(capture: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The log names the hook, the kind of failure and the line."""

    def falling(exchange: Any) -> Any:
        return 1 // 0

    play(capture, starlette, ("/1",), ("/2",), device=falling)

    (told,) = [each.getMessage() for each in caplog.records if "hook" in each.getMessage()]
    assert "calling the hook device: ZeroDivisionError" in told
    assert "test_hooks.py" in told


@pytest.mark.parametrize(
    "spoil",
    [
        lambda exchange: setattr(exchange.request, "path", None),
        lambda exchange: setattr(exchange.response, "body", object()),
        lambda exchange: setattr(exchange, "metadata", {"a": "b" * 5000}),
        lambda exchange: exchange.response.headers.update(a=[1]),
        lambda exchange: setattr(exchange, "user", ["a"]),
        lambda exchange: exchange.response.body["x"].append(1),
    ],
)
def test_a_mask_that_spoils_the_exchange(spoil: Any, capture: Any) -> None:
    """What cannot be written is a failed mask: no bodies."""

    def mask(exchange: Any) -> Any:
        spoil(exchange)
        return exchange

    (record,) = play(capture, starlette, ("/1", JSON, BODY), mask=mask)

    assert record.response.body.withheld == record.request.body.withheld == "mask-failed"
    assert record.request.path == "/1"


@APPS
def test_where_async_hooks_run(make: Callable[[], Any], capture: Any) -> None:
    """On the loop of the app, whose pools and clients they may use; under WSGI on one of ours."""
    loops = []

    async def device(exchange: Any) -> None:
        loops.append((loop_here(), threading.current_thread().name))
        if make is starlette:
            assert loop_here() == exchange.response.body["loop"]

    play(capture, make, ("/1",), ("/2",), device=device)

    assert loops[0] == loops[1]
    assert (loops[0][1] == "spantap-hooks") is (make is flask)
    assert capture_handle().stats().hooks["device"].failed == 0


@APPS
@KINDS
def test_hooks_come_after_the_last_byte(make: Callable[[], Any], kind: str, capture: Any) -> None:
    """The client has its answer before the first hook is done."""
    answered = threading.Event()
    waited = []

    def device(exchange: Any) -> None:
        waited.append(answered.wait(20))

    async def patient(exchange: Any) -> None:
        waited.append(await asyncio.to_thread(answered.wait, 20))

    handle, _, app = capture(make, device=device if kind == "sync" else patient, hook_timeout=30)
    with served(app, wsgi=make is flask) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/1")
        assert b"private" in connection.getresponse().read()
        answered.set()
        connection.close()
        handle.tap.wait_for_open(30)
    assert waited == [True]


def test_a_live_span_of_the_apps_has_no_bodies_that_a_hook_may_mask(capture: Any) -> None:
    """Somebody else's span ends before hooks are asked: what they may take out is not on it."""
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    handle, memory, app = capture(starlette, tracer_provider=provider, mask=lambda exchange: exchange)
    outside = OpenTelemetryMiddleware(app, tracer_provider=provider, exclude_spans=["receive", "send"])
    with served(outside, wsgi=False) as port:
        ask(port, "/1", JSON, BODY)
        handle.tap.wait_for_open(30)
    assert handle.flush(30)

    (span,) = [each for each in exporter.get_finished_spans() if each.kind.name == "SERVER"]
    assert not [name for name in span.attributes or {} if "body" in name]
    (record,) = memory.read()
    assert record.response.body.content is not None


def test_mistakes_are_told_at_the_start_together() -> None:
    """Not callable, wrong parameters, not to be imported, not there: each is named, nothing starts."""
    with pytest.raises(spantap.ConfigurationError) as caught:
        spantap.configure(
            skip=3,
            identify_user=lambda: "nobody",
            identify_company="no.such.module:company",
            session_token="json:no_such_function",
            device="json",
            metadata="json:__version__",
            hook_timeout=0,
            preset="huge",
        )

    told = [line for line in str(caught.value).splitlines() if line.startswith("  - ")]
    assert len(told) == 8
    for name, remedy in (
        ("skip", "is not callable"),
        ("identify_user", "one argument"),
        ("identify_company", "cannot be imported (ModuleNotFoundError)"),
        ("session_token", "has no no_such_function"),
        ("device", "use module:function"),
        ("metadata", "is not callable"),
        ("hook_timeout", "seconds"),
    ):
        assert [line for line in told if line.startswith(f"  - {name} = ") and remedy in line], name


def test_hooks_by_name_in_environment_and_file(tmp_path: Path) -> None:
    """``module:function`` is imported from the working directory, as servers do."""
    script = tmp_path / "bin" / "serve.py"  # what is in `bin` is not on the way to the module
    script.parent.mkdir()
    script.write_text(
        "import spantap, sys; handle = spantap.configure();"
        "print(handle.settings.identify_user(None), handle.settings.device(None), sys.path)"
    )
    (tmp_path / "our_hooks.py").write_text("class Ask:\n    def user(exchange):\n        return 'by-name'\n")
    (tmp_path / "spantap.toml").write_text('device = "our_hooks:Ask.user"\n')
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "OTEL_PYTHON_SPANTAP_IDENTIFY_USER": "our_hooks:Ask.user"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["by-name", "by-name"]
    assert f"'{tmp_path}'" not in done.stdout


def test_the_report_says_how_long_hooks_take(capture: Any) -> None:
    """`spantap doctor` shows calls, failures and time of each hook, from the process's report."""
    play(capture, starlette, ("/1",), device=lambda exchange: "d", metadata=raising)

    told = capture_handle().report().facts["hooks"]
    assert told["device"]["calls"] == told["metadata"]["failed"] == 1
    assert 0 < told["device"]["mean_ms"] <= told["device"]["max_ms"]


ENDING = """
import asyncio, spantap
from wsgiref.util import setup_testing_defaults

async def mask(exchange):
    await asyncio.sleep(0.1)
    exchange.response.body["x"] = None
    return exchange

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"x":1}']

app = spantap.instrument_app(app, mask=mask)
environ = {}
setup_testing_defaults(environ)
body = app(environ, lambda *a: None)
list(body)
body.close()
"""


def test_a_process_that_ends_waits_for_hooks(tmp_path: Path) -> None:
    """What a hook is just being asked about when the process ends is stored, masked."""
    done = subprocess.run(
        [sys.executable, "-c", ENDING],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (record,) = SQLiteSink(tmp_path / "spantap.db").read()
    assert record.response.body.content == '{"x":null}'
