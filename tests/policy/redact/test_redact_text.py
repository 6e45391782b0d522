"""Free text, tracebacks, and bodies nobody parses yet."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
M = "[REDACTED]"

TABLE = [
    ("ValueError: password=hunter2, user=bob", f"ValueError: password={M}, user=bob"),
    ("{'password': 'hunter2', 'a': 1}", f"{{'password': '{M}', 'a': 1}}"),
    ('{"a": 1, "token": "x\\"y"}', f'{{"a":1,"token":"{M}"}}'),
    ("Authorization: Bearer abc, def\nHost: h", f"Authorization: {M}\nHost: h"),
    ("Cookie: a=1; foo=bar\nHost: h", f"Cookie: {M}\nHost: h"),
    ('  login(user, password="hun,ter2")', f'  login(user, password="{M}")'),
    ("password: correct horse battery", f"password: {M}"),
    ("password=a&b;c", f"password={M}"),
    ("invalid token 'abcdef' given", f"invalid token '{M}' given"),
    ("run --password hunter2 --user bob", f"run --password {M} --user bob"),
    ("<a><password>hunter2</password></a>", f"<a><password>{M}</password></a>"),
    ("credentials: {'u': 'a', 'x': ['b']}", f"credentials: {M}"),
    ("credentials: {'u': 'a', 'x': ['b'", f"credentials: {M}"),
    ("token='abc", f"token='{M}"),
    ("passwd=SecretStr('x y') z", f"passwd={M} z"),
    ('msg "{\\"password\\": \\"hun\\"}" end', f'msg "{{\\"password\\": \\"{M}\\"}}" end'),
    ("'line\\npin=1234'", f"'line\\npin={M}'"),
    ("see https://u:p@h/x?token=abc.", "see https://REDACTED:REDACTED@h/x?token=REDACTED"),
    ("GET /x?pass%77ord=abc", f"GET /x?pass%77ord={M}"),
    ("card 4111-1111-1111-1111 ok", f"card {M} ok"),
    ("KeyError: 'author'", "KeyError: 'author'"),
    ("token count: 5", "token count: 5"),
    ("password=None token=''", "password=None token=''"),
    ("plain words only", "plain words only"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "wanted"), TABLE)
def test_named_values_in_text(text: str, wanted: str) -> None:
    """Values of sensitive names go, in every notation people log; twice is once."""
    tally = Tally()
    assert REDACTOR.text(text, tally) == wanted
    assert bool(tally.counts) == (text != wanted)
    assert REDACTOR.text(wanted, Tally()) == wanted


def test_values_masked_elsewhere_leave_the_text() -> None:
    """An exception that quotes a masked value loses it, quoted or escaped."""
    tally = Tally()
    REDACTOR.body('{"password":"it\'s\\n my pass"}', "application/json", tally)
    assert "my pass" not in REDACTOR.text("bad: it's\n my pass", tally)
    assert "my pass" not in REDACTOR.text(f"bad: {tally.secrets!r}", tally)


def test_secrets_are_bounded() -> None:
    """At most 64 values of 6 to 512 characters are remembered."""
    tally = Tally()
    for number in range(100):
        tally.add("key", f"secret-{number}")
    tally.add("key", {"a": ["x" * 600, "short"]})
    assert len(tally.secrets) == 64
    assert tally.counts == {"key": 101}
    other = Tally()
    other.add("key", {"a": ["x" * 600, "short", True, 12345678]})
    assert other.secrets == {"12345678"}


@pytest.mark.parametrize(
    ("text", "media_type", "shown"),
    [
        ("hello world", "text/plain", True),
        ("<p>Ann's author page</p>", "text/html", True),
        ("a,b\n1,2\n", "text/csv", True),
        ("a,password\n1,hunter2\n", "text/csv", False),
        ("<input name='pass&#119;ord' value=x>", "text/html", False),
        ('var x = {"pass\\u0077ord": 1}', "application/javascript", False),
        ('var x = {"pass\\x77ord": 1}', "application/javascript", False),
        ('{"a":1}\n{"b":2}', "application/x-ndjson", True),
        ('{"a":1}\n{"token":"x"}', "application/x-ndjson", False),
        ("data: 4111 1111 1111 1111\n\n", "text/event-stream", False),
        ('mutation { login(pin: "1") { id } }', "application/graphql", False),
        ("<a>https://u:p@h/</a>", "application/xml", False),
        ("x=1&pass%77ord=2", "text/plain", False),
    ],
)
def test_text_without_a_parser_is_shown_only_when_nothing_is_in_it(
    text: str, media_type: str, shown: bool
) -> None:
    """A sensitive name or value withholds the whole text."""
    assert REDACTOR.body(text, media_type, Tally()) == (text if shown else None)


def test_json_under_another_textual_type_is_json() -> None:
    """Mislabelled JSON is redacted, not withheld."""
    assert REDACTOR.body(' {"password":1}', "text/plain", Tally()) == '{"password":"[REDACTED]"}'
    assert REDACTOR.body('{"password":1}', "", Tally()) == '{"password":"[REDACTED]"}'


def test_the_users_names_count_everywhere() -> None:
    """Extra names work in bodies, headers, queries and texts."""
    redactor = Redactor(keys=["internal code"], keep_keys=["token"])
    assert (
        redactor.body('{"internalCode":1,"token":2}', "application/json", Tally())
        == '{"internalCode":"[REDACTED]","token":2}'
    )
    assert redactor.query("internal_code=x&token=y", Tally()) == "internal_code=REDACTED&token=y"
    assert redactor.header_pairs([("Internal-Code", "x"), ("Token", "y")], Tally()) == [
        ("internal-code", M),
        ("token", "y"),
    ]
    assert redactor.text("internal code: x", Tally()) == f"internal code: {M}"


PIECES = [*"ab=:;,&'\"\\<>[](){} \n%/@-", "password", "token", "https://", "\udc80", "[REDACTED]", "x1y2z3"]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_survived(text: str) -> None:
    """No text raises, however its marks are nested."""
    REDACTOR.text(text, Tally())


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.sampled_from(
        ["password={}", "token: {}", "'api_key': '{}'", '"secret": "{}"', "--pwd {}", "<pin>{}</pin>"]
    ),
    st.sampled_from(["", " ", ", x=1", "\nnext", ")", "}"]),
)
def test_a_named_value_goes_whatever_stands_before_and_after_it(before: str, pair: str, after: str) -> None:
    """Surroundings do not shield a value."""
    text = f"{before} {pair.format('cAnArY7391')}{after}"
    assert "cAnArY7391" not in REDACTOR.text(text, Tally())


@pytest.mark.parametrize(
    "unit",
    [
        "password=",
        "'",
        "(",
        "4111 ",
        "1 ",
        "a:",
        "https://",
        "%25",
        "token='",
        '\\"',
        "<a",
        "eyJ",
        "-----BEGIN PRIVATE KEY",
        "a b ",
        "<token>",
        "<token",
        "token:\n ",
        "('token', '",
        "token=(",
        "token={'",
        "&#119;",
        "\\u0074",
        "name='token' ",
        "//a:b@",
        "{",
        '{"a":',
    ],
)
def test_time_grows_with_length_not_with_its_square(unit: str) -> None:
    """No pattern of input makes 64 KiB slow."""
    text = unit * (65536 // len(unit))
    begin = time.perf_counter()
    REDACTOR.text(text, Tally())
    REDACTOR.body(text, "text/plain", Tally())
    REDACTOR.url(text, Tally())
    assert time.perf_counter() - begin < 3


def test_a_clean_url_in_text_stays_as_it_is() -> None:
    """Cleaned twice is cleaned once: nothing takes the rest of a URL for the value of its path parameter."""
    once = REDACTOR.text("see https://u:pw@host/a;jsessionid=1?token=abc#access_token=x", Tally())
    assert once == (
        "see https://REDACTED:REDACTED@host/a;jsessionid=REDACTED?token=REDACTED#access_token=REDACTED"
    )
    assert REDACTOR.text(once, Tally()) == once
