from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spantap
from asgi_client import call, responding, scope
from spantap.export.memory import MemorySink
from spantap.export.sqlite import SQLiteSink

PROVIDER = TracerProvider(shutdown_on_exit=False)


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    if (handle := running()) is not None:
        handle.shutdown(1)


def running() -> spantap.Handle | None:
    from spantap import configuration

    return configuration._handle


def run_python(code: str, *, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environ},
        timeout=60,
        check=False,
    )


def test_the_same_settings_give_the_same_handle() -> None:
    """Configuring twice alike is once."""
    memory = MemorySink()
    first = spantap.configure(destinations=[memory], tracer_provider=PROVIDER)

    assert spantap.configure(destinations=[memory], tracer_provider=PROVIDER) is first


def test_different_settings_are_refused_by_name() -> None:
    """A second, different configuration says what differs and how to go on."""
    spantap.configure(destinations=[MemorySink()], tracer_provider=PROVIDER, preset="portable")

    with pytest.raises(
        spantap.ConfigurationError, match=r"preset = 'full': .*'portable' already.*shutdown\(\)"
    ):
        spantap.configure(preset="full")


def test_after_shutdown_one_may_configure_anew() -> None:
    """A handle that was shut down leaves the way free; the first app goes on with the new one."""
    first, second = MemorySink(), MemorySink()
    spantap.configure(destinations=[first], tracer_provider=PROVIDER)
    app = spantap.instrument_app(responding(b"{}"))
    call(app, scope("GET", "/1"))
    assert spantap.configure(destinations=[first], tracer_provider=PROVIDER).shutdown(5)

    handle = spantap.configure(destinations=[second], tracer_provider=TracerProvider(shutdown_on_exit=False))
    call(app, scope("GET", "/2"))
    assert handle.flush(5)

    assert [each.request.path for each in first.read()] == ["/1"]
    assert [each.request.path for each in second.read()] == ["/2"]


@pytest.mark.parametrize(
    ("app", "framework", "remedy"),
    [
        (responding(b""), "rails", "use one of fastapi, starlette, flask, django, asgi, wsgi"),
        (responding(b""), "flask", "not flask's"),
        (3, None, "give framework="),
        (3, "asgi", "no ASGI app"),
        (lambda: None, None, "give framework="),
    ],
)
def test_an_app_nothing_can_be_made_of(app: Any, framework: str | None, remedy: str) -> None:
    """An unknown framework, a wrong one and an app that cannot be recognised are refused with the remedy."""
    spantap.configure(destinations=[MemorySink()], tracer_provider=PROVIDER)

    with pytest.raises(spantap.ConfigurationError) as caught:
        spantap.instrument_app(app, framework=framework)

    assert remedy in str(caught.value)


def test_a_missing_framework_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for a framework that is not installed says which pip install to run."""
    found = importlib.util.find_spec

    def not_django(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "django" else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", not_django)
    spantap.configure(destinations=[MemorySink()], tracer_provider=PROVIDER)

    with pytest.raises(spantap.ConfigurationError, match=r"pip install 'spantap\[django\]'"):
        spantap.instrument_app(responding(b""), framework="django")


def test_wrong_settings_start_nothing() -> None:
    """A mistake in any setting stops configure before anything is set up."""
    with pytest.raises(spantap.ConfigurationError, match="2 wrong settings"):
        spantap.configure(preset="huge", queue_max_bytes=1)

    assert running() is None


def test_importing_is_free() -> None:
    """`import spantap` loads no OpenTelemetry, no framework, starts no thread and writes no file."""
    done = run_python(
        "import sys, threading, spantap;"
        "print([m for m in sys.modules if m.startswith(('opentelemetry', 'orjson', 'fastapi', 'django'))],"
        " threading.active_count())"
    )

    assert done.stdout.strip() == "[] 1"


def test_configuring_starts_nothing(tmp_path: Path) -> None:
    """Configured and instrumented, but without a request: no file, no thread, no tracer provider."""
    done = run_python(
        "import threading, spantap, opentelemetry.trace as t\n"
        "spantap.configure()\n"
        "async def app(scope, receive, send): ...\n"
        "spantap.instrument_app(app)\n"
        "print(threading.active_count(), type(t.get_tracer_provider()).__name__)",
        cwd=tmp_path,
    )

    assert done.stdout.split() == ["1", "ProxyTracerProvider"]
    assert list(tmp_path.iterdir()) == []


def test_the_public_names() -> None:
    """What users import is listed, exists, and nothing else is."""
    assert set(spantap.__all__) == {
        "ASGIMiddleware",
        "ConfigurationError",
        "Current",
        "DestinationPolicy",
        "DjangoMiddleware",
        "EditableExchange",
        "Handle",
        "RawExchange",
        "Spantap",
        "SpantapError",
        "Stats",
        "WSGIMiddleware",
        "__version__",
        "configure",
        "current",
        "instrument_app",
        "instrument_clients",
        "uninstrument_app",
        "uninstrument_clients",
    }
    for name in spantap.__all__:
        assert getattr(spantap, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'confgure'"):
        spantap.confgure  # noqa: B018


def test_names_stay_what_they_are() -> None:
    """Whichever name is loaded first, `spantap.configure` is a function."""
    done = run_python(
        "import spantap; spantap.instrument_app; spantap.ASGIMiddleware; print(spantap.configure.__name__)"
    )

    assert done.stdout.strip() == "configure", done.stderr


def test_exit_delivers_what_is_queued(tmp_path: Path) -> None:
    """A process that ends right after its last request has stored it."""
    done = run_python(
        "import spantap\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [b'hello']\n"
        "app = spantap.instrument_app(app)\n"
        "from wsgiref.util import setup_testing_defaults\n"
        "for n in range(20):\n"
        "    environ = {'PATH_INFO': f'/{n}'}\n"
        "    setup_testing_defaults(environ)\n"
        "    body = app(environ, lambda *a: None)\n"
        "    assert list(body) == [b'hello']\n"
        "    body.close()\n",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    stored = SQLiteSink(tmp_path / "spantap.db").read()
    assert [each.request.path for each in reversed(stored)] == [f"/{number}" for number in range(20)]
    assert (tmp_path / "spantap.db").stat().st_mode & 0o777 == 0o600


def test_excluded_urls_get_neither_span_nor_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_PYTHON_EXCLUDED_URLS means what it means everywhere; the framework's own list goes first."""
    exporter, memory = InMemorySpanExporter(), MemorySink()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "internal,^http://[^/]+/hidden$")
    handle = spantap.configure(destinations=[memory], tracer_provider=provider)
    app = spantap.instrument_app(responding(b"{}"))
    monkeypatch.setenv("OTEL_PYTHON_ASGI_EXCLUDED_URLS", "other")
    another = spantap.instrument_app(responding(b"{}"))

    for path in ("/internal/x", "/hidden", "/hidden/not", "/other"):
        assert call(app, scope("GET", path))[0]["status"] == 200
    call(another, scope("GET", "/other"))
    call(another, scope("GET", "/internal/x"))

    assert handle.flush(5)
    assert [each.request.path for each in reversed(memory.read())] == ["/hidden/not", "/other", "/internal/x"]
    assert len(exporter.get_finished_spans()) == 3


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ({}, (True, True, True, True)),
        ({"preset": "metadata"}, (False, False, False, False)),
        ({"request_bodies": False}, (False, True, True, True)),
        ({"response_bodies": False}, (True, False, True, True)),
        ({"headers": False}, (True, True, False, True)),
        ({"query": False}, (True, True, True, False)),
        ({"body_max_bytes": 0}, (False, False, True, True)),
    ],
)
@pytest.mark.setting("preset", "request_bodies", "response_bodies", "headers", "query")
def test_what_is_switched_off_is_not_captured(settings: dict[str, Any], seen: tuple[bool, ...]) -> None:
    """Each switch takes away exactly its part of the record; sizes stay."""
    memory = MemorySink()
    handle = spantap.configure(destinations=[memory], tracer_provider=PROVIDER, **settings)
    app = spantap.instrument_app(responding(b'{"b":2}'))

    call(app, scope("POST", "/a", [("content-type", "application/json")], "q=1"), b'{"a":1}')

    assert handle.flush(5)
    (exchange,) = memory.read()
    request, response = exchange.request, exchange.response
    shown = (request.body.content, response.body.content, request.headers, request.query)
    assert tuple(bool(each) for each in shown) == seen
    assert (request.body.size, response.body.size) == (7, 7)


@pytest.mark.setting("body_max_bytes", "preset")
def test_bodies_are_cut_where_the_setting_says() -> None:
    """BODY_MAX_BYTES is the number of bytes shown; presets have theirs."""
    for settings, shown in (({"body_max_bytes": 100}, 100), ({"preset": "portable"}, 2048), ({}, 9000)):
        memory = MemorySink()
        handle = spantap.configure(destinations=[memory], tracer_provider=PROVIDER, **settings)
        body = b"x" * (9000 if not settings else shown + 500)
        call(spantap.instrument_app(responding(body, content_type=b"text/plain")), scope("GET", "/a"))
        assert handle.shutdown(5)

        (exchange,) = memory.read()
        assert len(str(exchange.response.body.content)) == shown
        assert exchange.response.body.truncated is bool(settings)


@pytest.mark.parametrize(
    ("settings", "captured"),
    [
        ({}, ["/api/a", "/other"]),
        ({"include_urls": "/api/*"}, ["/api/a"]),
        ({"include_urls": "re:health"}, ["/healthz"]),
        ({"exclude_urls": ["/api/*"]}, ["/other"]),
        ({"include_urls": ["/api/*"], "exclude_urls": "re:a$"}, []),
        ({"exclude_methods": []}, ["/api/a", "/other", "/options"]),
        ({"exclude_methods": "get"}, ["/options"]),
    ],
)
@pytest.mark.setting("include_urls", "exclude_urls", "exclude_methods")
def test_what_is_looked_at(settings: dict[str, Any], captured: list[str]) -> None:
    """Paths and methods are selected as the settings say; exclusion beats inclusion."""
    memory = MemorySink()
    handle = spantap.configure(destinations=[memory], tracer_provider=PROVIDER, **settings)
    app = spantap.instrument_app(responding(b"{}"))

    for method, path in (("GET", "/api/a"), ("GET", "/other"), ("GET", "/healthz"), ("OPTIONS", "/options")):
        assert call(app, scope(method, path))[0]["status"] == 200

    assert handle.flush(5)
    assert [each.request.path for each in reversed(memory.read())] == captured
    assert handle.stats().not_kept.get("not_selected", 0) == 4 - len(captured)


@pytest.mark.setting("redact_keys", "keep_keys")
def test_keys_of_ones_own() -> None:
    """REDACT_KEYS masks further names, KEEP_KEYS leaves names readable."""
    memory = MemorySink()
    handle = spantap.configure(
        destinations=[memory], tracer_provider=PROVIDER, redact_keys="shoe size", keep_keys=["token"]
    )
    body = b'{"shoe_size":44,"token":"t","password":"p"}'
    headers = [("x-shoe-size", "44"), ("token", "t")]

    call(spantap.instrument_app(responding(body)), scope("GET", "/a", headers, "shoeSize=44&token=t"))

    assert handle.flush(5)
    (exchange,) = memory.read()
    assert exchange.request.query == "shoeSize=REDACTED&token=t"
    assert exchange.request.headers["x-shoe-size"] == ("[REDACTED]",)
    assert exchange.request.headers["token"] == ("t",)
    shown = exchange.response.body.content
    assert shown == '{"shoe_size":"[REDACTED]","token":"t","password":"[REDACTED]"}'


@pytest.mark.setting("sqlite_path", "jsonl_path")
def test_paths_are_destinations(tmp_path: Path) -> None:
    """Setting a path enables the store there; both may be set."""
    handle = spantap.configure(
        sqlite_path=tmp_path / "a.db", jsonl_path=str(tmp_path / "a.jsonl"), tracer_provider=PROVIDER
    )

    call(spantap.instrument_app(responding(b"{}")), scope("GET", "/a"))

    assert handle.flush(5)
    assert len(SQLiteSink(tmp_path / "a.db").read()) == 1
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 1


@pytest.mark.setting("queue_max_items")
def test_the_queue_is_bounded_in_items() -> None:
    """QUEUE_MAX_ITEMS is the most that waits; what does not fit is counted."""

    class Stuck(MemorySink):
        def write(self, exchanges: Any, /) -> None:
            time.sleep(0.5)

    handle = spantap.configure(destinations=[Stuck()], tracer_provider=PROVIDER, queue_max_items=3)
    app = spantap.instrument_app(responding(b"{}"))

    for _ in range(10):
        call(app, scope("GET", "/a"))

    assert handle.stats().destinations["memory"].dropped["queue_full"] >= 3


@pytest.mark.setting("debug")
def test_debug_tells_what_happens_and_no_values(caplog: pytest.LogCaptureFixture) -> None:
    """DEBUG logs batches, never what is in them."""
    logger = logging.getLogger("spantap")
    before = logger.level
    handle = spantap.configure(destinations=[MemorySink()], tracer_provider=PROVIDER, debug=True)
    try:
        call(spantap.instrument_app(responding(b'{"x":"a-value"}')), scope("GET", "/a-path"))
        assert handle.flush(5)
    finally:
        logger.setLevel(before)

    assert "memory: 1 sent, 0 lost, 0 to be tried again" in caplog.text
    assert "a-value" not in caplog.text
    assert "a-path" not in caplog.text
