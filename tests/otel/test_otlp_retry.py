"""OTLP collectors that fail in every way the protocol knows, and what becomes of the spans."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import formatdate

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from receivers.http import OK, Answer, HTTPReceiver, Request, free_port
from receivers.otlp_grpc import GRPCReceiver, Refusal, receiving
from spantap.otel import otlp, retry
from spantap.otel.budget import Budget, Parcel
from spantap.otel.delivery_stats import DeliveryStats
from spantap.otel.queue import Batching, DeliveryQueue

WAIT = 30.0
Code = grpc.StatusCode


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_SHORTEST", 0.05)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "5")


def delivered(count: int, *, attribute: str = "x") -> DeliveryStats:
    """Queue so many spans, flush, and tell what became of them."""
    budget = Budget(100_000_000)
    queue = DeliveryQueue("otlp", otlp.open_otlp, Batching(delay=60))
    for number in range(count):
        assert budget.charge(1000)
        parcel = Parcel(
            ReadableSpan(
                str(number),
                context=SpanContext(1, number + 1, False, TraceFlags(1)),
                attributes={"text": attribute},
                start_time=1,
                end_time=2,
            ),
            1000,
            budget,
        )
        queue.put(parcel)
        parcel.release()
    assert queue.flush(WAIT)
    assert budget.used == 0
    stats = queue.stats()
    assert stats.captured == count == stats.exported + sum(stats.dropped.values())
    queue.shutdown(2)
    return stats


def names(receiver: HTTPReceiver) -> list[str]:
    return [
        span.name
        for request in receiver.taken
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


NUMBERS = [str(number) for number in range(20)]


class TestOverHTTP:
    """http/protobuf."""

    @pytest.fixture
    def receiver(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPReceiver]:
        with HTTPReceiver() as receiver:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
            yield receiver

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_passing_trouble(self, receiver: HTTPReceiver, status: int) -> None:
        """What the protocol calls retryable is tried again, one request for each try."""
        receiver.answers = [Answer(status), Answer(status)]

        stats = delivered(20)

        assert (stats.exported, len(receiver.requests)) == (20, 3)
        assert names(receiver) == NUMBERS

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_retry_after(self, receiver: HTTPReceiver, form: str) -> None:
        """The collector's own wish for a pause is kept to."""
        wish = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
        receiver.answers = [Answer(503, {"retry-after": wish})]

        assert delivered(3).exported == 3
        first, second = receiver.requests
        assert second.at - first.at >= 0.9

    @pytest.mark.parametrize("status", [401, 403, 404, 500, 302])
    def test_final_answers(self, receiver: HTTPReceiver, status: int) -> None:
        """What the protocol calls final is counted at once, the whole batch."""
        receiver.answers = [Answer(status)]

        assert delivered(20).dropped == {"refused": 20}
        assert len(receiver.requests) == 1

    @pytest.mark.parametrize("status", [400, 413])
    def test_too_much_at_once(self, receiver: HTTPReceiver, status: int) -> None:
        """A batch that is too much is delivered in smaller ones."""
        receiver.decide = lambda request: OK if len(request.body) < 600 else Answer(status)

        assert delivered(20).exported == 20
        assert sorted(names(receiver), key=int) == NUMBERS
        assert len(receiver.taken) > 1

    def test_one_bad_span(self, receiver: HTTPReceiver) -> None:
        """A span the collector cannot have is lost alone."""

        def decide(request: Request) -> Answer:
            (resource,) = ExportTraceServiceRequest.FromString(request.body).resource_spans
            bad = any(span.name == "7" for scope in resource.scope_spans for span in scope.spans)
            return Answer(400) if bad else OK

        receiver.decide = decide

        assert delivered(20).dropped == {"refused": 1}
        assert names(receiver) == [number for number in NUMBERS if number != "7"]

    @pytest.mark.parametrize("media_type", ["application/x-protobuf", "application/json"])
    def test_partial_success(self, receiver: HTTPReceiver, media_type: str) -> None:
        """Spans the collector did not take out of a batch that it took are counted."""
        said = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=3))
        body = said.SerializeToString()
        if media_type == "application/json":
            body = b'{"partialSuccess": {"rejectedSpans": "3"}}'
        receiver.answers = [Answer(200, {"content-type": media_type}, body)]

        stats = delivered(20)

        assert (stats.exported, stats.dropped) == (17, {"rejected": 3})

    def test_a_connection_that_breaks(self, receiver: HTTPReceiver) -> None:
        """An answer that never ends means: nobody knows; the batch is sent again."""
        receiver.answers = [Answer(reset=True)]

        assert delivered(20).exported == 20
        assert sorted(names(receiver), key=int) == sorted(NUMBERS * 2, key=int)

    def test_answers_that_are_nonsense(self, receiver: HTTPReceiver) -> None:
        """A 200 with a body that is none of the protocol's is a 200."""
        receiver.answers = [Answer(200, {"content-type": "application/json"}, b"[1")]

        assert delivered(2).exported == 2

    def test_an_outage(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is captured while nobody listens arrives when somebody does."""
        port = free_port()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        budget = Budget(1_000_000)
        queue = DeliveryQueue("otlp", otlp.open_otlp, Batching(delay=0.01))
        for number in range(20):
            assert budget.charge(100)
            parcel = Parcel(
                ReadableSpan(str(number), context=SpanContext(1, number + 1, False, TraceFlags(1))),
                100,
                budget,
            )
            queue.put(parcel)
            parcel.release()
        deadline = time.monotonic() + WAIT
        while not queue.stats().failures and time.monotonic() < deadline:
            time.sleep(0.01)
        assert queue.stats().queued == 20

        with HTTPReceiver(port=port) as receiver:
            assert queue.flush(WAIT)
            assert sorted(names(receiver), key=int) == NUMBERS
        queue.shutdown(1)


class TestOverGRPC:
    """grpc."""

    @pytest.fixture
    def receiver(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[GRPCReceiver]:
        with receiving() as receiver:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
            yield receiver

    @pytest.mark.parametrize(
        "answer", [Refusal(Code.UNAVAILABLE), Refusal(Code.ABORTED), Refusal(Code.RESOURCE_EXHAUSTED, 0.1)]
    )
    def test_passing_trouble(self, receiver: GRPCReceiver, answer: Refusal) -> None:
        """What the protocol calls retryable is tried again."""
        receiver.answers = [answer, answer]

        assert delivered(20).exported == 20
        assert [span.name for span in receiver.spans()] == NUMBERS

    def test_retry_info(self, receiver: GRPCReceiver) -> None:
        """The collector's own wish for a pause is kept to."""
        receiver.answers = [Refusal(Code.UNAVAILABLE, 0.9)]
        began = time.monotonic()

        assert delivered(2).exported == 2
        assert time.monotonic() - began >= 0.9

    @pytest.mark.parametrize("code", [Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.UNIMPLEMENTED])
    def test_final_answers(self, receiver: GRPCReceiver, code: grpc.StatusCode) -> None:
        """What the protocol calls final is counted at once, the whole batch."""
        receiver.answers = [Refusal(code)]

        assert delivered(20).dropped == {"refused": 20}

    def test_too_much_at_once(self, receiver: GRPCReceiver) -> None:
        """A batch that is too much for the collector is delivered in smaller ones."""
        receiver.largest = 600

        assert delivered(20).exported == 20
        assert [span.name for span in receiver.spans()] == NUMBERS

    def test_partial_success(self, receiver: GRPCReceiver) -> None:
        """Spans the collector did not take out of a batch that it took are counted."""
        partial = ExportTracePartialSuccess(rejected_spans=3)
        receiver.answers = [ExportTraceServiceResponse(partial_success=partial)]

        assert delivered(20).dropped == {"rejected": 3}
