from __future__ import annotations

import pytest
from hypothesis import given, settings
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from any_spans import spans
from exchanges import exchanges
from spantap.codec.attributes import encode
from spantap.model import Exchange
from spantap.otel.exporter import ExchangeSpan
from spantap.otel.protobuf import SingleEncoder, encode_spans
from spantap.otel.read_back import read_back


@given(spans())
def test_what_is_read_back_is_sent_as_it_would_have_been(span: ReadableSpan) -> None:
    """The bytes a collector gets are the same whether a span lay on disk or not."""
    written = SingleEncoder().encode(span)

    assert written == encode_spans([span])
    assert encode_spans([read_back(written, sampled=True)]) == written


@given(exchanges())
@settings(max_examples=40)
def test_an_exchange_is_read_back_equal(given_exchange: Exchange) -> None:
    """A collector of ours gets the same exchange whether it lay on disk or not."""
    direction = SpanKind.CLIENT if given_exchange.direction == "outbound" else SpanKind.SERVER
    flags = TraceFlags(1 if given_exchange.sampled else 0)
    parent = given_exchange.parent_span_id
    trace_id = int(given_exchange.trace_id, 16)
    span = ReadableSpan(
        "GET",
        context=SpanContext(trace_id, int(given_exchange.span_id, 16), False, flags),
        parent=None if parent is None else SpanContext(trace_id, int(parent, 16), False),
        resource=Resource({} if given_exchange.service is None else {"service.name": given_exchange.service}),
        attributes={**encode(given_exchange), "theirs": 1},
        kind=direction,
        start_time=given_exchange.timing.start,
        end_time=given_exchange.timing.end,
    )

    read = read_back(SingleEncoder().encode(span), sampled=given_exchange.sampled)

    assert isinstance(read, ExchangeSpan)
    assert read.exchange == given_exchange
    assert read.others == {"theirs": 1}


def test_an_encoder_follows_a_change_of_resource_and_scope() -> None:
    """What spans share is not taken from a span that shared something else."""
    encoder = SingleEncoder()
    made = [
        ReadableSpan("n", context=SpanContext(1, 2, False), resource=Resource({"service.name": name}))
        for name in ("a", "b", "a")
    ]

    assert [encoder.encode(span) for span in made] == [encode_spans([span]) for span in made]


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"\x0a\x00"])
def test_what_is_no_span_is_said_to_be_none(data: bytes) -> None:
    """Bytes that hold no span raise an error, and nothing else."""
    with pytest.raises(ValueError):
        read_back(data, sampled=True)
