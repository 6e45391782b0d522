"""Canonical exchanges, made by hand and by Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from spantap.model import Body, Error, Exchange, Headers, Identity, Peer, Request, Response, Timing

START = 1_700_000_000_000_000_000

# What UTF-8 can hold: JSON, SQLite and OTLP carry nothing else.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
some_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
token = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=12)
counts = st.integers(1, 2**40)

headers = st.dictionaries(token, st.lists(text, min_size=1, max_size=3).map(tuple), max_size=6).map(
    Headers.grouped
)

bodies = st.one_of(
    st.just(Body()),
    st.builds(Body, content=st.one_of(text, st.binary(max_size=40)), size=counts, truncated=st.booleans()),
    st.builds(Body, size=st.integers(0, 2**40), withheld=token),
)

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """Any exchange the pipeline may make."""
    start = draw(st.integers(1, 2**62))
    first_byte = draw(st.one_of(st.none(), st.integers(0, 10**12)))
    return Exchange(
        trace_id=f"{draw(st.integers(1, 2**128 - 1)):032x}",
        span_id=f"{draw(st.integers(1, 2**64 - 1)):016x}",
        parent_span_id=draw(st.one_of(st.none(), st.just("00f067aa0ba902b7"))),
        answering_span_id=draw(st.sampled_from([None, "b7ad6b7169203331"])),
        direction=draw(st.sampled_from(["inbound", "outbound"])),
        request=Request(
            method=draw(st.one_of(st.sampled_from(["GET", "POST", "PURGE"]), some_text)),
            scheme=draw(st.sampled_from(["http", "https"])),
            path=draw(text),
            query=draw(text),
            headers=draw(headers),
            headers_dropped=draw(st.integers(0, 500)),
            body=draw(bodies),
            http_version=draw(st.sampled_from([None, "1.1", "2"])),
            resends=draw(st.integers(0, 20)),
            browser=draw(st.sampled_from([None, "Firefox"])),
            platform=draw(st.sampled_from([None, "Android"])),
        ),
        response=Response(
            status=draw(st.one_of(st.none(), st.integers(100, 599))),
            headers=draw(headers),
            headers_dropped=draw(st.integers(0, 500)),
            body=draw(bodies),
        ),
        timing=Timing(start, None if first_byte is None else start + first_byte, start + draw(counts)),
        client=Peer(draw(st.one_of(st.none(), text)), draw(st.one_of(st.none(), st.integers(0, 65535)))),
        server=Peer(draw(st.one_of(st.none(), text)), draw(st.one_of(st.none(), st.integers(0, 65535)))),
        peer=Peer(draw(st.one_of(st.none(), text)), draw(st.one_of(st.none(), st.integers(0, 65535)))),
        route=draw(st.one_of(st.none(), text)),
        endpoint=draw(st.one_of(st.none(), text)),
        identity=Identity(*(draw(st.one_of(st.none(), text)) for _ in range(6))),
        error=draw(st.one_of(st.none(), st.builds(Error, some_text, st.one_of(st.none(), text)))),
        incomplete=draw(st.one_of(st.none(), token)),
        metadata=draw(st.dictionaries(some_text, json_values, max_size=3)),
        metrics=draw(st.dictionaries(token, st.floats(allow_nan=False, allow_infinity=False), max_size=3)),
        redactions=draw(st.dictionaries(token, st.integers(1, 99), max_size=3)),
        service=draw(st.one_of(st.none(), some_text)),
        sampled=draw(st.booleans()),
        hash_key_id=draw(st.one_of(st.none(), token)),
        weight=draw(st.one_of(st.just(1.0), st.floats(1, 1e9, exclude_min=True))),
        capture_reason=draw(st.sampled_from([None, "rate", "error", "keep"])),
    )


def exchange(**changes: Any) -> Exchange:
    """One plain exchange, with the changes given."""
    values: dict[str, Any] = {
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "request": Request(
            method="POST",
            scheme="http",
            path="/users/7",
            headers=Headers([("host", "shop"), ("content-type", "application/json")]),
            body=Body(content='{"n":1}', size=7),
        ),
        "response": Response(
            status=201,
            headers=Headers([("content-type", "application/json")]),
            body=Body(content='{"id":7}', size=8),
        ),
        "timing": Timing(START, START + 1_000_000, START + 2_000_000),
        "route": "/users/{id}",
        "service": "shop",
    }
    return Exchange(**{**values, **changes})
