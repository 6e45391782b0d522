"""A clean exchange in the hands of the app's `mask`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from exchanges import exchange, exchanges
from spantap.capture.limits import CaptureLimits
from spantap.codec.attributes import encode
from spantap.model import Body, Exchange, Headers, Response
from spantap.policy.mask import EditableExchange, masked

LIMITS = CaptureLimits()


def responded(content: str | bytes | None, content_type: str = "application/json", **facts: Any) -> Exchange:
    headers = Headers([("content-type", content_type)])
    body = Body(content=content, size=99, **facts)
    return exchange(response=Response(status=200, headers=headers, body=body))


@given(exchanges())
def test_what_is_not_touched_stays(given: Exchange) -> None:
    """A hook that looks at everything and changes nothing leaves the exchange as it is."""
    left = EditableExchange(given)
    looked = (left.request.body, left.response.body, left.metadata, left.metrics)

    assert masked(given, left, CaptureLimits(1 << 20, 1 << 20, 1 << 20, 1 << 20)) == given
    assert len(looked) == 4


@pytest.mark.parametrize(
    ("content", "change", "shown"),
    [
        ('{ "id": 123456789012345678901234567890, "a": 1 }', lambda body: None, None),
        (
            '{ "id": 123456789012345678901234567890, "a": 1 }',
            lambda body: body.update(a=None),
            '{"id":123456789012345678901234567890,"a":null}',
        ),
        ('{"a": 1}', lambda body: body.update(a=True), '{"a":true}'),
        ('[{"é": "x"}]', lambda body: body[0].update(é="ü"), '[{"é":"ü"}]'),
        ('{"a": 1}', lambda body: body.update(a="\ud800"), '{"a":"?"}'),
    ],
)
def test_json_is_changed_in_place(content: str, change: Callable[[Any], Any], shown: str | None) -> None:
    """What was changed is written anew, whole numbers of any length intact; what was not stays as it was."""
    given = responded(content)
    left = EditableExchange(given)
    change(left.response.body)

    body = masked(given, left, LIMITS).response.body

    assert body.content == (shown or content)
    assert (body.size, body.truncated, body.withheld) == (99, False, None)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("other", Body("other", 99)),
        (None, Body(None, 99, withheld="mask")),
        (b"\x00\x01", Body(b"\x00\x01", 99)),
        ({"a": 2}, Body('{"a":2}', 99)),
        ("ü" * 20_000, Body("ü" * 8192, 99, truncated=True)),
    ],
)
def test_another_body_in_its_place(value: Any, shown: Body) -> None:
    """A body may be replaced or taken out; it is cut where bodies are cut."""
    given = responded('{"a": 1}')
    left = EditableExchange(given)
    left.response.body = value

    assert masked(given, left, LIMITS).response.body == shown


def test_what_is_no_json_is_text() -> None:
    """Cut JSON and other text are given as text, and stay what they are."""
    for each in (responded('{"a": [1, 2', truncated=True), responded("plain", "text/plain")):
        left = EditableExchange(each)

        assert left.response.body == each.response.body.content
        assert masked(each, left, LIMITS) == each


def test_a_copy_will_do() -> None:
    """A hook may return a copy; the one it was given is not looked at then."""
    given = responded('{"a": 1}')
    left = EditableExchange(given)
    other = copy.deepcopy(left)
    left.user, other.user = "left", "other"
    other.response.body["a"] = 2

    done = masked(given, other, LIMITS)

    assert (done.identity.user, done.response.body.content) == ("other", '{"a":2}')


def test_bounds_hold() -> None:
    """A hook cannot make a record that is too large for its destinations."""
    given = exchange()
    left = EditableExchange(given)
    left.user = "u" * 5000
    left.metrics = {f"m{number}": number for number in range(50)}
    left.request.headers = {f"h{number}": ["v" * 100] for number in range(200)}
    left.error_message = "not shown: there was no error"

    done = masked(given, left, LIMITS)

    assert done.identity.user == "[5000 characters]"
    assert len(done.metrics) == 16
    assert (len(done.request.headers), done.request.headers_dropped) == (40, 160)
    assert done.error is None
    assert encode(done)


def test_a_path_stays_within_bounds() -> None:
    """A hook cannot make a record that is too large by its path or query."""
    given = exchange()
    left = EditableExchange(given)
    left.request.path, left.request.query = "/" + "x" * 1_000_000, "y" * 1_000_000
    request = masked(given, left, LIMITS).request
    assert (len(request.path), len(request.query)) == (LIMITS.header_bytes, LIMITS.header_bytes)
