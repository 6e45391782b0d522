"""Time grows with the length of a text, not with its square: requests come from strangers."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable

import pytest

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
SHAPES: dict[str, Callable[[str], object]] = {
    "text": lambda text: REDACTOR.text(text, Tally()),
    "path": lambda text: REDACTOR.path(text, Tally()),
    "query": lambda text: REDACTOR.query(text, Tally()),
    "url": lambda text: REDACTOR.url(text, Tally()),
    "json": lambda text: REDACTOR.body(text, "application/json", Tally()),
    "string": lambda text: REDACTOR.body(json.dumps({"a": f"{text}\n</a>"}), "application/json", Tally()),
    "form": lambda text: REDACTOR.body(text, "application/x-www-form-urlencoded", Tally()),
    "html": lambda text: REDACTOR.body(text, "text/html", Tally()),
    "broken json": lambda text: REDACTOR.body("{,}" + text, "application/json", Tally()),
    "json that was cut": lambda text: REDACTOR.body('{"value":[' + text, "", Tally(), cut=True),
    "ndjson": lambda text: REDACTOR.body("{}\n[" + text, "application/x-ndjson", Tally()),
    "xml": lambda text: REDACTOR.body("<value>" + text, "application/xml", Tally(), cut=True),
    "events": lambda text: REDACTOR.body("data: " + text, "text/event-stream", Tally()),
    "graphql": lambda text: REDACTOR.body("query { a(b: " + text, "application/graphql", Tally()),
    "yaml": lambda text: REDACTOR.body("pin:\n " + text, "application/yaml", Tally()),
    "csv": lambda text: REDACTOR.body("pin,b\n" + text, "text/csv", Tally()),
    "header": lambda text: REDACTOR.header_pairs([("x-note", text)], Tally()),
    "cookie": lambda text: REDACTOR.header_pairs([("cookie", text)], Tally()),
    "set-cookie": lambda text: REDACTOR.header_pairs([("set-cookie", text)], Tally()),
}
REPEATED = (
    *("\\", '"', "'", "%25", "&#", "<a ", "{", "(", "=", ":", "token: ", "token=", 'token "', "token='a'b"),
    *(" ", "\n ", "token:\n ", "http://", "--token ", "<token>", "eyJ", ".", "; a=", ", ", "4 ", "-", "a@"),
    *("\\u0", "é", "\0", "-----BEGIN ", '{"a":', '\\"', "token=\\'", "('token', '", "%41", "QUJD"),
    *(
        "[",
        "</a>",
        "<td>",
        "<!--",
        "<!DOCTYPE ",
        "<![CDATA[",
        "/*",
        "//",
        "#",
        '"""',
        "data: [\n",
        "- a:\n",
        "a: {\n",
        '- value: "\n',
        "- - x\n",
        "Failing row contains (",
        "Invalid header value b'",
        "Header part (",
        "No connection adapters were found for '",
        "insert into a (pin) values ('",
        "[SQL: pin [parameters: ('",
        "your code is 12345 ",
        "pin A1b2c3d4",
        'b: &a "\n',
        "\x1e",
        ",",
        "a is ",
        "<!DOCTYPE ",
        '"a":1,',
        "'a',",
        '{"a":[1]},',
        "<b a='x' ",
        "&nbsp;pin",
        "1",
    ),
)
BEGUN = frozenset({"broken json", "json that was cut", "ndjson", "xml", "events", "graphql", "yaml", "csv"})
SHORT = 1_000
TIMES = 16


@pytest.mark.parametrize("shape", SHAPES)
def test_no_repetition_costs_its_square(shape: str) -> None:
    """Sixteen times the text takes nowhere near 256 times as long, whatever is repeated."""
    clean = SHAPES[shape]
    for unit in REPEATED:
        for start in ("",) if shape in BEGUN else ("", "token=", '"token":"'):
            text = start + unit * (SHORT // len(unit))
            longer = start + unit * (TIMES * SHORT // len(unit)) + " password=x"
            # A floor, because a short run says nothing; squared, it would be seconds.
            before = max(_seconds(clean, text), 0.002)
            most = before * TIMES * 8
            assert any(_seconds(clean, longer) < most for _ in range(2)), f"{start}{unit!r}"


def _seconds(call: Callable[[str], object], text: str) -> float:
    gc.disable()  # to go through what other tests have left takes longer than what is measured
    try:
        start = time.thread_time()
        call(text)
        return time.thread_time() - start
    finally:
        gc.enable()


@pytest.mark.parametrize("layer", ["escape", "repr", "list"])
def test_strings_in_strings_are_read_a_few_levels_deep(layer: str) -> None:
    """What is nested deeper is masked unread, in no more time than it took to write."""
    text = "<password>cAnArY7391x</password>"
    while len(text) < 60_000:
        if layer == "escape":
            text = f"<a>{text.replace('&', '&amp;').replace('<', '&lt;')}</a>"
        elif layer == "repr":
            text = repr({"a": text, "password": 1})
        else:
            text = json.dumps([text])
    start = time.thread_time()
    clean = REDACTOR.body(json.dumps({"a": text}), "application/json", Tally())
    assert time.thread_time() - start < 20
    assert clean is not None
    assert "cAnArY7391x" not in clean


def test_what_is_nested_too_deep_is_masked_unread() -> None:
    """In text that is no JSON, too: a hundred levels are read, and the rest costs nothing."""
    tally = Tally()
    cleaned = REDACTOR.body("{,}" + '{"a":' * 5000 + '{"password":"blue parrot"', "application/json", tally)

    assert cleaned == "{,}" + '{"a":' * 100 + '"[REDACTED]"'
    assert tally.counts["depth"] == 1
    assert REDACTOR.body(cleaned, "application/json", Tally()) == cleaned
