from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges import exchange, exchanges
from spantap.codec.jsonl import from_lines, to_line
from spantap.codec.record import from_record, to_record
from spantap.model import Body, Exchange


@given(exchanges())
def test_round_trip_through_json(given_exchange: Exchange) -> None:
    """A record survives JSON text, bytes bodies included."""
    assert from_record(orjson.loads(orjson.dumps(to_record(given_exchange)))) == given_exchange


@given(st.lists(exchanges(), max_size=3))
def test_lines_round_trip(given_exchanges: list[Exchange]) -> None:
    """A file of lines is read back in order."""
    lines = [to_line(each) for each in given_exchanges]

    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    assert list(from_lines([*lines, b"\n"])) == given_exchanges


def test_unknown_version_is_refused() -> None:
    """A record of a later release is refused with its version named."""
    record = {**to_record(exchange()), "version": 99}

    with pytest.raises(ValueError, match="99"):
        from_record(record)


def test_bytes_are_written_as_base64() -> None:
    """A binary body has a shape of its own in JSON, so text that looks like base64 stays text."""
    response = exchange().response.__class__(status=200, body=Body(content=b"\x00\xff", size=2))

    assert to_record(exchange(response=response))["response"]["body"] == {
        "content": {"base64": "AP8="},
        "size": 2,
    }
