"""What is masked where it stands is what a walk through everything masks."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from documents import DOCUMENTS
from spantap.policy.redact import MASK, Redactor, Tally
from spantap.policy.redact.in_place import clean_in_place
from spantap.policy.redact.json import clean_json, clean_walking
from spantap.policy.redact.patterns import Pattern, by_package, compile_bytes, encode

REDACTOR = Redactor()
RULES = REDACTOR._rules


@settings(max_examples=600, deadline=None)
@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 1]))
@example({"a": [["Authorization", "x"]], "password": {"token": [1]}}, False, None)
@example({"name": "password", "value": "x", "b": {"loc": ["pin"], "input": "1"}}, True, None)
@example({"a": "Bearer\tabcdefghij0123456789", "b": 4111111111111111}, False, None)
def test_it_is_what_a_walk_through_everything_masks(document: Any, escaped: bool, indent: int | None) -> None:
    """The clean documents, the counts and the values that are remembered are the same."""
    text = json.dumps(document, ensure_ascii=escaped, indent=indent)
    slow, fast = Tally(), Tally()

    wanted, done = clean_walking(text, RULES, slow), clean_json(text, RULES, fast)

    assert wanted is not None
    assert done is not None
    assert orjson.loads(done) == orjson.loads(wanted)
    assert fast.counts == slow.counts
    assert fast.secrets == slow.secrets
    assert clean_json(done, RULES, Tally()) == done


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{ "password" : "x\\"y" , "a":[1, 2.50] }', f'{{ "password" : "{MASK}" , "a":[1, 2.50] }}'),
        ('{"a":{"pin": [1,{"b":"}"}], "c":"\\u00e9"}}', f'{{"a":{{"pin": "{MASK}", "c":"\\u00e9"}}}}'),
        ('{"pin":1,"pin":2,"a":"\\/"}', f'{{"pin":"{MASK}","pin":"{MASK}","a":"\\/"}}'),
        ("[ 4111111111111111,4111111111111111 ]", f'[ "{MASK}","{MASK}" ]'),
        ('{"é":"ü","token":true}', f'{{"é":"ü","token":"{MASK}"}}'),
    ],
)
def test_all_around_it_stays_as_it_was_written(text: str, shown: str) -> None:
    """White space, escapes, spelling of numbers and repeated names are those of the app."""
    tally = Tally()
    data = encode(text)
    assert clean_in_place(text, data, RULES.prefilter.touched(data) or [], RULES, tally) == shown
    assert json.loads(shown)


@pytest.mark.parametrize(
    "text",
    [
        '{"name":"password","value":"hunter2"}',
        '[["token","x"]]',
        '["--password","x"]',
        '{"pass\\u0077ord":"x"}',
        '{"AKIAABCDEFGHIJKLMNOP":1}',
        '{"query":"{ a(pin: $p) }","variables":{"p":"x"}}',
        '{"pin":1,"b":"p%61ssword=x"}',
    ],
)
def test_what_a_place_does_not_tell_is_left_to_the_walk(text: str) -> None:
    """Nothing is counted then."""
    tally = Tally()
    data = encode(text)
    assert clean_in_place(text, data, RULES.prefilter.touched(data) or [], RULES, tally) is None
    assert not tally.counts
    assert not tally.secrets


@settings(max_examples=50, deadline=None)
@given(st.text("ab1 ", max_size=30))
def test_a_search_is_the_same_through_the_package(text: str) -> None:
    """Where what is beneath google-re2 is out of reach, its own search finds the same."""
    expression = "(a+)(b)?"
    near = compile_bytes(expression)
    far = Pattern(by_package(re2.compile(expression.encode())))
    data = text.encode()
    assert far.places(data) == near.places(data)
    assert [each.spans for each in far.finditer(data)] == [each.spans for each in near.finditer(data)]
    assert far.found(data) is near.found(data)


def test_where_there_is_much_everything_is_walked_through() -> None:
    """A look at each place would take longer; what is masked is the same."""
    rows = [{"author": "a", "pin": number, "max_tokens": 1} for number in range(100)]
    text = json.dumps(rows)
    assert RULES.prefilter.touched(encode(text)) is None
    done = REDACTOR.body(text, "application/json", Tally())
    assert done is not None
    assert orjson.loads(done) == [{**row, "pin": MASK} for row in rows]
