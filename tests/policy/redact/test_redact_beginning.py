"""JSON that ends too early, masked where it stands: as if every token had been read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents import DOCUMENTS
from spantap.policy.redact import MASK, Redactor, Tally
from spantap.policy.redact.beginning import clean_beginning
from spantap.policy.redact.loose import clean_loose
from spantap.policy.redact.partial import clean_closed, clean_partial

RULES = Redactor()._rules
_MARKED = re.compile(r'"?\[REDACTED\]"?')
_SHAPES = [
    """{"a":1,"password":"hunter2","memo":"paid by 4111 1111 1111 1111 ok","b":{"api_key":{"x":[1,"y"]},
    "c":[4111111111111111, "x"]},"u":"https://h/cb?access_token=abc123def456", "n":"a\\"b pin=hunter2\\n"}""",
    '[{"pin":null,"token":"","author":"x","note":"call Bearer abcdefghij0123456789"},{"pin":true},false]',
    json.dumps({"a": {"password": "x y", "z": [{"secret": [1, 2, {"k": "v"}]}]}, "é": "ü pin: x1"}, indent=1),
    '{"a":[{"name":"x","value":"y"},{"value":"hunter2","b":[1,{"text":"t"}]}],"data":"d","auth":{"q":1}}',
]


@pytest.mark.parametrize("whole", _SHAPES)
def test_each_beginning_is_masked_like_its_tokens(whole: str) -> None:
    """Wherever it ends, it is what reading token by token makes of it, but for quotes around a mask."""
    done = 0
    for end in range(1, len(whole)):
        text = whole[:end]
        quick, slow = Tally(), Tally()
        clean = clean_beginning(text, RULES, quick)
        if clean is None:
            continue
        done += 1
        assert _MARKED.sub(MASK, clean) == _MARKED.sub(MASK, clean_loose(text, RULES, slow))
        assert quick.counts == slow.counts
    assert done > len(whole) * 0.7


@pytest.mark.parametrize("whole", _SHAPES)
def test_what_we_cut_is_masked_like_the_document_closed(whole: str) -> None:
    """Wherever it was cut, no value is shown that closing and reading it hides."""
    for end in range(1, len(whole)):
        text = whole[:end]
        quick, slow = Tally(), Tally()
        clean = clean_partial(text, RULES, quick, str)
        wanted = clean_closed(text, RULES, slow, str)
        assert clean is not None
        assert wanted is not None
        assert clean.count("hunter2") <= wanted.count("hunter2")
        assert all(clean.count(each) <= wanted.count(each) for each in slow.secrets)
        assert slow.secrets <= quick.secrets
        assert set(slow.counts) <= set(quick.counts)


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.data())
def test_what_reading_token_by_token_hides_is_hidden(document: Any, data: st.DataObject) -> None:
    """No value it has masked is left where it stood; a number below zero is none, whoever reads it."""
    whole = json.dumps(document, ensure_ascii=data.draw(st.booleans())).replace("-4111111111111111", "-4")
    text = whole[: data.draw(st.integers(1, len(whole)))]
    slow = Tally()
    clean, wanted = clean_beginning(text, RULES, Tally()), clean_loose(text, RULES, slow)
    if clean is None:
        return
    for secret in slow.secrets:
        assert clean.count(secret) <= wanted.count(secret)
    assert clean_beginning(clean, RULES, Tally()) in (clean, None)
