"""JSON bodies."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spantap.policy.redact import MASK, Redactor, Tally

REDACTOR = Redactor()
CANARY = "cAnArY-7391-vAlUe"
NAMES = ["password", "X-Api-Key", "card_number", "pin", "clientSecret", "session_id", "auth", "cvv"]


def clean(text: str) -> str | None:
    return REDACTOR.body(text, "application/json; charset=utf-8", Tally())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"password":"hunter2"}', {"password": MASK}),
        ('{"password":1234}', {"password": MASK}),
        ('{"password":true}', {"password": MASK}),
        ('{"password":{"a":[1]}}', {"password": MASK}),
        ('{"password":["a","b"]}', {"password": MASK}),
        ('[[{"pin":0}]]', [[{"pin": MASK}]]),
        ('{"password":null,"token":""}', {"password": None, "token": ""}),
        ('"password=hunter2"', f"password={MASK}"),
        ("[4111111111111111,4111111111111112]", [MASK, 4111111111111112]),
        ("[4111111111111111.0]", [MASK]),
        ("4111111111111111", MASK),
        ('{"n":"pay 4111 1111 1111 1111"}', {"n": f"pay {MASK}"}),
        ('{"name":"password","value":"hunter2"}', {"name": "password", "value": MASK}),
        ('[["Authorization","Basic x"],["a","b"]]', [["Authorization", MASK], ["a", "b"]]),
        ('{"sk_live_4eC39HqLyjWDarjtT1zdp7dc":1}', {MASK: 1}),
        ('{"u":"https://bob:pw@h/x?token=abc"}', {"u": "https://REDACTED:REDACTED@h/x?token=REDACTED"}),
        (r'{"u":"https:\/\/bob:pw@h\/x"}', {"u": "https://REDACTED:REDACTED@h/x"}),
        ('{"m":"failed with password=hunter2 today"}', {"m": f"failed with password={MASK} today"}),
        (r'{"pass\u0077ord":"hunter2"}', {"password": MASK}),
        (r'{"log":"a\npin=1234"}', {"log": f"a\npin={MASK}"}),
        (r'{"log":"Bearer\tabcdefghij0123456789"}', {"log": f"Bearer\t{MASK}"}),
        (r'{"api\nkey":"hunter2"}', {"api\nkey": MASK}),
        ('{"n":180012345670001}', {"n": MASK}),
    ],
)
def test_what_is_masked(text: str, wanted: Any) -> None:
    """Every type of value under a sensitive name is masked, null and the empty string excepted."""
    done = clean(text)
    assert done is not None
    assert json.loads(done) == wanted


@pytest.mark.parametrize(
    "text",
    [
        '{ "author" : "Ann", "max_tokens": 5 }',
        "[1, 2.50, 1e3, true, null]",
        '{"a":"\\u00e9 \\u0022quoted\\u0022 and \\\\u0022"}',
        '{"timestamp":1700000000000,"price":0.4111111111111111}',
        '{"token":null, "x": [ ]}',
        "",
        "17",
    ],
)
def test_a_body_with_nothing_to_mask_is_the_same_text(text: str) -> None:
    """White space, number spelling and escapes survive when nothing was masked."""
    tally = Tally()
    assert REDACTOR.body(text, "application/json", tally) == text
    assert tally.counts == {}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{broken", "{broken"),
        ('{"password": "x"', f'{{"password": "{MASK}"'),
        ("{'password': 'x',}", f"{{'password': '{MASK}',}}"),
        ('{"password":NaN}', f'{{"password":"{MASK}"}}'),
        ("password=x", f"password={MASK}"),
        ('{"a":"\\ud800 token"}', '{"a":"\\ud800 token"}'),
        (" ", " "),
    ],
)
def test_json_that_does_not_parse_is_masked_all_the_same(text: str, shown: str) -> None:
    """Malformed JSON is shown as it is, without its secrets."""
    assert clean(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        f'{{"password":"{CANARY}","password":""}}',
        f'{{"a":{{"password":"{CANARY}"}},"a":1}}',
        f'{{"a":"\\u0022","password":"{CANARY}","password":null}}',
        f'[{{"x":"\\\\u0022\\\\u0022","token":"{CANARY}","token":""}}]',
    ],
)
def test_a_repeated_name_does_not_smuggle_its_first_value(text: str) -> None:
    """A parser keeps the last of two members; the first must not come through with the original text."""
    done = clean(text)
    assert done is not None
    assert CANARY not in done


def test_json_inside_strings_is_redacted_at_every_level() -> None:
    """Strings that hold JSON are opened, bounded; what is nested deeper is masked unread."""
    document: Any = {"password": CANARY}
    for _ in range(12):
        document = {"payload": json.dumps(document)}
        assert CANARY not in (clean(json.dumps(document)) or "")


def test_nesting_deeper_than_any_document_is_masked() -> None:
    """Depth costs neither a crash nor a leak."""
    for depth in (90, 150, 240, 900, 2000):
        text = '{"a":' * depth + f'{{"password":"{CANARY}"}}' + "}" * depth
        done = clean(text)
        assert done is None or CANARY not in done


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def planted(draw: st.DrawFn) -> str:
    secret: Any = draw(
        st.sampled_from([CANARY, [CANARY], {"x": CANARY}, [[{"y": CANARY}]], {CANARY: 1}, f" {CANARY}\n"])
    )
    document: Any = {
        **draw(st.dictionaries(st.text(max_size=5), plain, max_size=3)),
        draw(st.sampled_from(NAMES)): secret,
    }
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.integers(0, 2))
        document = [draw(plain), document] if kind == 0 else {draw(st.sampled_from("abc")): document}
        if kind == 2:
            document = {"s": json.dumps(document, ensure_ascii=draw(st.booleans()))}
    return json.dumps(document, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 2])))


@settings(max_examples=300, deadline=None)
@given(planted())
def test_a_planted_secret_never_comes_out(text: str) -> None:
    """Whatever the depth, type, spelling and surroundings; and the result is JSON still."""
    done = clean(text)
    if done is not None:  # lone surrogates and the like: withheld
        assert CANARY not in done
        orjson.loads(done)


@settings(max_examples=200, deadline=None)
@given(plain)
def test_valid_in_valid_out_and_unchanged_when_nothing_is_counted(document: Any) -> None:
    """A body stays JSON; when nothing was masked it stays itself; twice is once."""
    text = json.dumps(document)
    tally = Tally()
    done = REDACTOR.body(text, "application/json", tally)
    if done is None:
        return
    assert bool(tally.counts) == (done != text)
    json.loads(done)
    assert clean(done) == done


@settings(max_examples=200, deadline=None)
@given(
    st.text(),
    st.sampled_from(["application/json", "text/html", "application/x-www-form-urlencoded", "", "text/csv"]),
)
def test_any_text_is_survived(text: str, media_type: str) -> None:
    """No text raises under any media type."""
    REDACTOR.body(text, media_type, Tally())


def test_what_becomes_a_name_by_masking_is_one_at_once() -> None:
    """A long text before a value is shortened to a name by what is masked in it; once is enough for both."""
    inner = json.dumps({"x": "y" * 180, "proxypass": "hunter2" * 10})
    text = json.dumps([inner, False])
    clean = Redactor().body(text, "application/json", Tally())
    assert clean is not None
    assert Redactor().body(clean, "application/json", Tally()) == clean
