"""What an app or its clients may do that we must neither break on nor grow by."""

from __future__ import annotations

import gc
import signal
import weakref
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Link, SpanContext, Status, StatusCode

import spantap
from asgi_client import Message, call, responding, scope
from spantap.export.jsonl import JSONLSink
from spantap.export.memory import MemorySink
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange
from spantap.otel.clean_copy import SpanCleaner
from spantap.policy.redact import Redactor

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


class Capture:
    """A capture into memory, on a tracer provider of the app's own."""

    def __init__(self) -> None:
        self.memory = MemorySink()
        self.handle = spantap.configure(
            destinations=[self.memory], tracer_provider=TracerProvider(shutdown_on_exit=False)
        )

    @property
    def exchanges(self) -> list[Exchange]:
        assert self.handle.flush(10)
        return self.memory.read()


@pytest.fixture
def capture() -> Iterator[Capture]:
    made = Capture()
    yield made
    made.handle.shutdown(1)


def raising(error: Exception) -> Any:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        raise error

    return spantap.instrument_app(app)


def test_a_huge_exception_is_cut(capture: Capture) -> None:
    """An exception of a megabyte reaches the app as it is and the record in 8 KiB."""
    error = ValueError("password=s3cret " * 60_000)

    with pytest.raises(ValueError, match="s3cret") as raised:
        call(raising(error), scope())

    assert raised.value is error
    (exchange,) = capture.exchanges
    assert exchange.error is not None
    assert exchange.error.message is not None
    assert len(exchange.error.message) < 9_000
    assert "s3cret" not in exchange.error.message


def test_an_exception_that_cannot_be_printed_is_recorded_without_its_text(capture: Capture) -> None:
    """The app's own `__str__` may fail; the exception still passes untouched and is recorded."""

    class WordlessError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    with pytest.raises(WordlessError):
        call(raising(WordlessError()), scope())

    (exchange,) = capture.exchanges
    assert exchange.error is not None
    assert exchange.error.type.endswith("WordlessError")


def test_a_failed_request_keeps_nothing_of_the_app_alive(capture: Capture) -> None:
    """What the app's frames held is free as soon as the app's caller lets go, without a collection."""

    class Large:
        pass

    def view() -> None:
        large = Large()
        seen.append(weakref.ref(large))
        raise ValueError("no")

    async def app(scope: Message, receive: Any, send: Any) -> None:
        view()

    seen: list[weakref.ref[Large]] = []
    door = spantap.instrument_app(app)
    gc.disable()
    try:
        # With asyncio between them the exception may be kept a little longer: run it by hand.
        request = door(scope(), None, None)
        with pytest.raises(ValueError, match="no"):
            request.send(None)
        del request
        assert capture.exchanges
        assert seen[0]() is None
    finally:
        gc.enable()


def test_the_budget_counts_texts_too(capture: Capture) -> None:
    """Long paths, queries and headers are charged like bodies: what waits is bounded by its bytes."""
    call(spantap.instrument_app(responding(b"{}")), scope())
    small = max(1, capture.handle.stats().queued_bytes)
    capture.handle.flush(5)

    long = scope("GET", "/" + "x" * 20_000, [("x-note", "y" * 7_000)], "q=" + "z" * 20_000)
    call(spantap.instrument_app(responding(b"{}")), long)

    assert capture.handle.stats().queued_bytes > small + 45_000


@pytest.mark.parametrize("kind", ["sqlite", "jsonl", "memory"])
def test_no_text_of_a_request_loses_a_batch(kind: str, tmp_path: Any) -> None:
    """Lone surrogates in an exception, an id or a path, and statuses that are none: all are kept."""
    sinks = {"sqlite": SQLiteSink(tmp_path / "a.db"), "jsonl": JSONLSink(tmp_path / "a.jsonl")}
    sink: Any = sinks.get(kind) or MemorySink()
    handle = spantap.configure(destinations=[sink])
    try:

        async def app(scope: Message, receive: Any, send: Any) -> None:
            spantap.current().user("u\ud800").metric("m\udfff", 1)
            if scope["path"] == "/raise":
                raise FileNotFoundError(2, "no", "caf\udce9.txt")
            await send({"type": "http.response.start", "status": 2**70, "headers": []})
            await send({"type": "http.response.body", "body": b"x"})

        door = spantap.instrument_app(app)
        with pytest.raises(FileNotFoundError):
            call(door, scope(path="/raise"))
        odd = {**scope(), "path": "/\ud800", "raw_path": b"/\xff"}
        call(door, odd)
        call(door, {**scope(), "client": ("\udc80", 2**70)})

        assert handle.flush(10)
        stats = handle.stats()
        assert stats.captured == 3
        assert [each.dropped for each in stats.destinations.values()] == [{}]
        assert len(list(sink.read())) == 3
    finally:
        handle.shutdown(1)


class Picky:
    """A sink with no form for one path."""

    name = "picky"
    target = "memory"

    def __init__(self) -> None:
        self.paths: list[str] = []

    def write(self, exchanges: Sequence[Exchange], /) -> None:
        if any(each.request.path == "/7" for each in exchanges):
            raise ValueError("not seven")
        self.paths += [each.request.path for each in exchanges]

    def close(self) -> None:
        pass


def test_one_record_a_sink_cannot_write_takes_no_other_along() -> None:
    """The one is counted as unwritable, the nineteen around it arrive once and in order."""
    sink = Picky()
    handle = spantap.configure(destinations=[sink])
    try:
        door = spantap.instrument_app(responding(b"{}"))
        for number in range(20):
            call(door, scope(path=f"/{number}"))

        assert handle.flush(10)
        assert sink.paths == [f"/{number}" for number in range(20) if number != 7]
        assert handle.stats().destinations["picky"].dropped == {"unwritable": 1}
    finally:
        handle.shutdown(1)


def test_what_the_client_calls_itself_is_clean_on_the_live_span() -> None:
    """A token in User-Agent, method or Host is on no span, not even at its start."""
    started: list[dict[str, Any]] = []
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(_Starts(started))
    handle = spantap.configure(destinations=[MemorySink()], tracer_provider=provider)
    try:
        request = scope(f"X-{JWT}", f"/x/{JWT}", [("user-agent", f"app/1 {JWT}")])
        request["server"] = (JWT, 80)
        call(spantap.instrument_app(responding(b"{}")), request)
    finally:
        handle.shutdown(1)

    (attributes,) = started
    assert JWT not in str(attributes)
    assert attributes["user_agent.original"] == "app/1 [REDACTED]"


class _Starts(SpanProcessor):
    """What spans hold at their start, where samplers and other processors see it."""

    def __init__(self, started: list[dict[str, Any]]) -> None:
        self.started = started

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.started.append(dict(span.attributes))


def test_other_peoples_spans_are_cleaned_wherever_they_hold_text() -> None:
    """Statements, messages, names, events and links of a span beneath ours leave clean."""
    secret = "s3cret-value"
    context = SpanContext(1, 2, is_remote=False)
    span = ReadableSpan(
        f"SELECT {JWT}",
        context=context,
        attributes={
            "db.query.text": f"UPDATE users SET password = '{secret}' WHERE id = 7",
            "user.password": secret,
            "app.tokens": 12,
            "messages": ("hello", f"token={secret}"),
            "session.id": "0f9e8d7c",
            "db.rows": 3,
            "http.request.header.x_api_key": (secret,),
        },
        links=[Link(context, {"authorization": secret})],
        status=Status(StatusCode.ERROR, f"token={secret}"),
    )

    copy = SpanCleaner(Redactor()).copy(span)

    assert copy.attributes is not None
    written = str((copy.name, dict(copy.attributes), copy.links[0].attributes, copy.status.description))
    assert secret not in written
    assert JWT not in written
    assert copy.attributes["session.id"] == "0f9e8d7c"
    assert copy.attributes["db.rows"] == 3


def test_a_span_with_nothing_to_clean_is_handed_on_as_it_is() -> None:
    """Most spans beneath ours hold nothing sensitive, and are not copied."""
    span = ReadableSpan("SELECT", attributes={"db.query.text": "SELECT 1", "db.system.name": "sqlite"})

    assert SpanCleaner(Redactor()).copy(span) is span


def test_a_signal_in_the_middle_of_our_own_work_ends_well(capture: Capture) -> None:
    """SIGTERM's handler flushes on the thread it interrupts, whatever lock that thread holds."""
    door = spantap.instrument_app(responding(b"{}"))
    tap: Any = capture.handle.tap
    done: list[bool] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        capture.handle.deliver()
        done.append(True)

    before = signal.signal(signal.SIGUSR1, on_signal)
    try:
        call(door, scope())
        for lock in (tap._count_lock, tap._budget._lock, tap.processor._lock):
            with lock:
                signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert done == [True] * 3
    assert len(capture.exchanges) == 1
