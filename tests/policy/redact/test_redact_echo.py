from __future__ import annotations

import orjson
import pytest

from spantap.model import Collected, Observation
from spantap.policy.pipeline import Pipeline, PipelineOptions
from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
PIPELINE = Pipeline(REDACTOR, PipelineOptions())
JSON = [("content-type", "application/json")]


def exchange_of(
    request: bytes, response: bytes, content_type: str = "application/json", query: str = ""
) -> str:
    """What is shown of the response to a request."""
    seen = Observation(method="POST", scheme="http", path="/", query=query, start=1, end=2, status=422)
    seen.request_headers = JSON
    seen.response_headers = [("content-type", content_type)]
    seen.request_body = Collected(request, len(request))
    seen.response_body = Collected(response, len(response))
    content = PIPELINE.run(seen).response.body.content
    assert isinstance(content, str)
    return content


def test_a_refused_password_is_masked_in_the_refusal() -> None:
    """FastAPI's 422 repeats the rejected value under `input`; the record does not."""
    refusal = {
        "detail": [
            {
                "type": "string_too_short",
                "loc": ["body", "password"],
                "msg": "String should have at least 30 characters",
                "input": "abc",
                "ctx": {"min_length": 30},
            }
        ]
    }

    shown = exchange_of(b'{"password":"abc"}', orjson.dumps(refusal))

    assert orjson.loads(shown)["detail"][0] == {
        "type": "string_too_short",
        "loc": ["body", "password"],
        "msg": "String should have at least 30 characters",
        "input": "[REDACTED]",
        "ctx": "[REDACTED]",
    }


@pytest.mark.parametrize(
    ("content_type", "response"),
    [
        ("application/json", rb'{"detail":"cannot use tr\"oub4dor& as it is","n":1}'),
        ("application/json", rb'["tr\"oub4dor&"]'),
        ("application/json", rb'{"tr\"oub4dor&":1}'),
        ("text/plain", b'no such thing as tr"oub4dor& here'),
        ("text/html", b"<p>you typed tr%22oub4dor%26</p>"),
        ("application/x-www-form-urlencoded", b"typed=tr%22oub4dor%26&n=1"),
    ],
)
def test_a_masked_value_is_masked_wherever_it_comes_back(content_type: str, response: bytes) -> None:
    """A value the request has shown to be secret leaves the response too, in every spelling."""
    shown = exchange_of(rb'{"password":"tr\"oub4dor&"}', response, content_type)

    assert "oub4dor" not in shown
    assert "REDACTED" in shown
    if content_type == "application/json":
        orjson.loads(shown)


def test_a_number_that_was_masked_is_masked_as_a_number() -> None:
    """JSON stays JSON when a masked number comes back, and longer numbers stay what they are."""
    shown = exchange_of(b'{"pin":123456}', b'{"you":123456,"order":91234567,"s":"is 123456"}')

    assert orjson.loads(shown) == {"you": "[REDACTED]", "order": 91234567, "s": "is [REDACTED]"}


def test_nothing_is_touched_without_an_echo() -> None:
    """A response that repeats nothing keeps its bytes."""
    assert exchange_of(b'{"password":"correct-horse"}', b'{ "ok" :  true }') == '{ "ok" :  true }'


def test_secrets_from_the_query_count_too() -> None:
    """A key given in the URL does not come back in the body."""
    assert "sk-abcdef" not in exchange_of(b"{}", b'{"q":"api_key=sk-abcdef"}', query="api_key=sk-abcdef")
    assert "k-9f8e7d" not in exchange_of(b"{}", b'{"hint":"used k-9f8e7d"}', query="api_key=k-9f8e7d")


def test_echoes_without_secrets_cost_nothing() -> None:
    """With nothing masked there is nothing to look for."""
    text = '{"a":1}'

    assert REDACTOR.echoes(text, Tally()) is text


def test_a_response_header_that_repeats_a_secret() -> None:
    """What the request has shown to be secret leaves the response's headers too."""
    seen = Observation(method="POST", scheme="http", path="/", query="", start=1, end=2, status=200)
    seen.request_headers = JSON
    seen.response_headers = [("x-echo", "you said correct-horse"), ("x-other", "fine")]
    body = b'{"password":"correct-horse"}'
    seen.request_body = Collected(body, len(body))

    headers = PIPELINE.run(seen).response.headers

    assert headers.first("x-echo") == "you said [REDACTED]"
    assert headers.first("x-other") == "fine"


def test_a_lone_surrogate_in_a_secret_is_survived() -> None:
    """What no encoding can write is looked for all the same."""
    tally = Tally()
    tally.add("key", "hunter\udc80 22")
    assert REDACTOR.echoes("it was hunter\udc80 22", tally) == "it was [REDACTED]"
