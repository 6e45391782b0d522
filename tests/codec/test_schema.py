"""The published schema of the record, against real records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given, settings

import spantap
from asgi_client import call, responding, scope
from exchanges import exchange, exchanges
from spantap.codec.record import to_record
from spantap.export.memory import MemorySink
from spantap.model import Exchange

SCHEMA: Any = json.loads((Path(__file__).parents[2] / "docs" / "record.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_it_is_a_schema() -> None:
    """The file is JSON Schema, draft 2020-12."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@settings(deadline=None)
@given(exchanges())
def test_every_record_is_valid(made: Exchange) -> None:
    """Whatever exchange the pipeline may make, its record, as written, is within the schema."""
    VALIDATOR.validate(orjson.loads(orjson.dumps(to_record(made))))


def test_a_captured_exchange_is_valid() -> None:
    """So is one that was really captured."""
    memory = MemorySink()
    handle = spantap.configure(destinations=[memory])
    try:
        call(spantap.instrument_app(responding(b'{"a":1}')), scope("GET", "/a", query="b=1"))
        assert handle.flush(20)
    finally:
        handle.shutdown(1)

    (captured,) = memory.read()
    VALIDATOR.validate(orjson.loads(orjson.dumps(to_record(captured))))


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"trace_id": "x"}, {"unknown": 1}, {"request": {}}, {"start": "now"}]
)
def test_what_is_no_record(change: dict[str, Any]) -> None:
    """The schema is strict: unknown fields, missing ones and wrong types are told."""
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**to_record(exchange()), **change})
