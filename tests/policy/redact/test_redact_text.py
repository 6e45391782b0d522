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
    ('{"a": 1, "token": "x\\"y"}', f'{{"a": 1, "token": "{M}"}}'),
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
    "text",
    [
        "hello world",
        "<p>Ann's author page</p>",
        "a,b\n1,2\n",
        "my password",
        "Forgot your password? A token is sent by mail, and the secret stays with you.",
        '{"a":1}\n{"b":2}',
    ],
)
@pytest.mark.parametrize("media_type", ["text/plain", "text/html", "text/csv", "application/xml", ""])
def test_what_only_mentions_a_secret_is_shown(text: str, media_type: str) -> None:
    """Prose about passwords is no password."""
    assert REDACTOR.body(text, media_type, Tally()) == text


@pytest.mark.parametrize(
    ("text", "media_type", "shown"),
    [
        ("a,password\n1,hunter2\n", "text/csv", "a,password\n1,[REDACTED]\n"),
        ("a;password\n1;hunter2\n", "text/plain", "a;password\n1;[REDACTED]\n"),
        (
            'export of 3 May\nid\tpin\n1\t"12\n34"\n',
            "text/csv",
            'export of 3 May\nid\tpin\n1\t"[REDACTED]"\n',
        ),
        (
            "var x = {'pass\\u0077ord': 'hunter2'}",
            "application/javascript",
            "var x = {'password': '[REDACTED]'}",
        ),
        ('var x = {"pass\\x77ord": 1}', "application/javascript", 'var x = {"password": [REDACTED]}'),
        ("x=1&pass%77ord=2", "text/plain", "x=1&pass%77ord=[REDACTED]"),
        ("Your password is hunter2.", "text/plain", "Your password is [REDACTED]."),
        ("The PIN was: 1234", "text/plain", "The PIN was: [REDACTED]"),
        ("cb({'token': 'x'});", "application/javascript", "cb({'token': '[REDACTED]'});"),
    ],
)
def test_text_is_masked_where_a_secret_stands(text: str, media_type: str, shown: str) -> None:
    """Columns, named values and sentences, however the name is spelt."""
    assert REDACTOR.body(text, media_type, Tally()) == shown


def test_json_under_another_textual_type_is_json() -> None:
    """Mislabelled JSON is redacted, not withheld."""
    assert REDACTOR.body(' {"password":1}', "text/plain", Tally()) == ' {"password":"[REDACTED]"}'
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
