from __future__ import annotations

import gzip
import re
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantap.codec.attributes import encode
from spantap.codec.record import to_record
from spantap.model import Body, Error, Observation
from spantap.model.observation import Collected
from spantap.policy.pipeline import Pipeline, PipelineOptions
from spantap.policy.redact import Redactor, Tally

PIPELINE = Pipeline(Redactor(), PipelineOptions())
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

anything = st.text(max_size=20)  # lone surrogates too
pairs = st.lists(st.tuples(anything, anything), max_size=3)
bodies = st.binary(max_size=30).map(lambda data: Collected(data, len(data)))


def observed(**facts: Any) -> Observation:
    return Observation(**{"method": "GET", "scheme": "http", "path": "/", "query": "", "start": 1, **facts})


@given(
    st.fixed_dictionaries(
        {
            **dict.fromkeys(("method", "scheme", "path", "query"), anything),
            **dict.fromkeys(
                (
                    *("http_version", "client_address", "server_address", "route", "endpoint"),
                    *("error_type", "error_message", "user", "email", "company", "session", "device"),
                ),
                st.one_of(st.none(), anything),
            ),
            **dict.fromkeys(("client_port", "server_port"), st.one_of(st.none(), st.integers())),
            **dict.fromkeys(("request_headers", "response_headers"), pairs),
            **dict.fromkeys(("request_body", "response_body"), bodies),
            "metadata": st.dictionaries(anything, anything, max_size=2),
            "metrics": st.dictionaries(anything, st.floats(allow_nan=False), max_size=2),
        }
    )
)
def test_whatever_was_seen_can_be_written_by_every_destination(facts: dict[str, Any]) -> None:
    """No request, exception or id makes a record that JSON, SQLite or OTLP cannot hold."""
    exchange = PIPELINE.run(observed(**facts))

    orjson.dumps(to_record(exchange))
    for value in encode(exchange).values():
        texts = value if isinstance(value, tuple) else [value]
        assert all(str(text).encode() is not None for text in texts)


def test_the_answer_to_head_has_no_body() -> None:
    """An app may give one, or a length, or nothing to the end: none of it goes over the wire."""
    for answer in (Collected(b"{}", 2), Collected(b"", 0, whole=False), Collected(b"", 0, "file")):
        headers = [("content-length", "2"), ("content-type", "application/json")]
        seen = observed(method="HEAD", response_body=answer, response_headers=headers)
        assert PIPELINE.run(seen).response.body == Body()


def test_codings_in_several_field_lines_are_one_list() -> None:
    """RFC 9110, section 5.3: the lines stand for one, in their order."""
    packed = zlib.compress(gzip.compress(b'{"a":1}'))
    headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
        ("Content-Encoding", "deflate"),
    ]
    seen = observed(request_body=Collected(packed, len(packed)), request_headers=headers)

    assert PIPELINE.run(seen).request.body == Body('{"a":1}', len(packed))


def test_a_body_with_half_a_character_can_be_written() -> None:
    """JSON may name half of a surrogate pair; the record shows a question mark."""
    data = rb'{"note":"\ud83d","password":"s3cret-pass"}'
    seen = observed(
        request_body=Collected(data, len(data)), request_headers=[("content-type", "application/json")]
    )

    exchange = PIPELINE.run(seen)

    assert b"s3cret" not in orjson.dumps(to_record(exchange))


@pytest.mark.parametrize(
    "facts",
    [
        {"path": f"/x/{JWT}"},
        {"route": f"/x/{JWT}"},
        {"query": f"next={JWT}"},
        {"query": "state=1&code=" + "4/0AX4XfWh"},
        {"request_headers": [("x-note", JWT)]},
        {"request_headers": [("X-Never-Seen-Before", JWT)]},
        {"request_headers": [("x-note", JWT.replace(".", "%2e"))]},
        {"response_headers": [("x-note", "fine"), ("x-other", JWT)]},
        {"user": JWT},
        {"endpoint": JWT},
    ],
    ids=str,
)
def test_a_secret_that_is_the_only_one_is_seen(facts: dict[str, Any]) -> None:
    """One look for all short texts misses nothing, wherever the secret stands and however it is spelt."""
    record = orjson.dumps(to_record(PIPELINE.run(observed(**facts))))

    assert JWT[25:50].encode() not in record
    assert b"4XfWh" not in record


def test_who_and_where_are_cleaned_like_everything_else() -> None:
    """A token given as user, session, method, address, endpoint or metric leaves nowhere."""
    names = ("method", "user", "email", "company", "session", "device", "endpoint", "server_address", "route")

    exchange = PIPELINE.run(observed(**dict.fromkeys(names, f"/x/{JWT}"), metrics={JWT: 1.0}))

    written = orjson.dumps(to_record(exchange)).decode()
    assert JWT not in written
    assert len(re.findall("REDACTED", written)) >= len(names) + 1


def test_an_id_that_repeats_a_secret_is_masked() -> None:
    """The session cookie's value does not come back as the session's name."""
    seen = observed(request_headers=[("cookie", "sid=0f9e8d7c6b5a")], session="0f9e8d7c6b5a", user="alice")

    exchange = PIPELINE.run(seen)

    assert exchange.identity.session == "[REDACTED]"
    assert exchange.identity.user == "alice"


def test_what_is_too_long_for_an_id_is_withheld() -> None:
    """Nobody fills the queue, or slips half a token in, by way of an id."""
    exchange = PIPELINE.run(observed(user="x" * 100_000))

    assert exchange.identity.user == "[100000 characters]"


def test_exception_texts_are_bounded_after_they_are_cleaned() -> None:
    """A secret at the cut of a long message is masked, not halved."""
    message = "x " * 4090 + f"token={JWT} " + "y " * 10

    shown = PIPELINE.clean_message(message, Tally())

    assert len(shown) < 8 * 1024 + 10
    assert JWT[:20] not in shown


def test_an_answer_of_500_or_more_is_an_error() -> None:
    """Without an exception it is named by its status, as the conventions name it (`error.type`)."""
    statuses = (None, 404, 499, 500, 503)
    errors = [PIPELINE.run(observed(status=status)).error for status in statuses]

    assert errors == [None, None, None, Error("500"), Error("503")]
    assert PIPELINE.run(observed(status=500, error_type="ValueError")).error == Error("ValueError")


def test_a_value_masked_in_one_part_leaves_those_before_it() -> None:
    """What the body names leaves the query, the headers and the metadata; what the answer names, the body."""
    said, told = "hunter2Zq9xK4", "blueParrot77"
    exchange = PIPELINE.run(
        observed(
            query=f"note={said}&a=1",
            request_headers=[("x-note", f"see {said}"), ("content-type", "application/json")],
            request_body=collected(f'{{"password": "{said}", "seen": "{told}"}}'),
            response_headers=[("content-type", "application/json")],
            response_body=collected(f'{{"api_key": "{told}"}}'),
            metadata={"seen": {"it": said}},
        )
    )

    record = repr(to_record(exchange))
    assert said not in record
    assert told not in record
    assert "a=1" in exchange.request.query
    assert exchange.metadata == {"seen": {"it": "[REDACTED]"}}
    assert exchange.redactions["echo"] >= 4


def collected(text: str) -> Collected:
    data = text.encode()
    return Collected(data, len(data))
