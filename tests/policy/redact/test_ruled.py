"""The user's rules at work: each action in each field, and allow-list mode."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantap.policy.redact import Redactor, Tally
from spantap.policy.redact.hashing import Hasher
from spantap.policy.redact.user_rules import parse_rules
from spantap.policy.withheld import Withheld

KEY = b"s3cr3t"
MASK = "[REDACTED]"
BEARER = "fbe47ec4c3383df5c116ffd81b4215e79271638d4b71e4e0ce607bdb8f29b92c"  # of "Bearer abc"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


def redactor(rules: str = "", *, path: str = "/", route: str | None = None, **options: Any) -> Redactor:
    made = Redactor(rules=parse_rules(rules), hasher=Hasher(lambda: KEY), **options)
    return made.of(path, route)[0]


def body(rules: str, value: object, **options: Any) -> Any:
    clean = redactor(rules, **options).body(json.dumps(value), "application/json", Tally())
    assert clean is not None
    return orjson.loads(clean)


USER = {"user": {"name": "Ada", "age": 36, "tags": ["x", 1]}}


@pytest.mark.parametrize(
    ("rules", "before", "after"),
    [
        ("body $.user.name", USER, {"user": {**USER["user"], "name": MASK}}),
        ("body $.user", USER, {"user": MASK}),
        ("body $.user drop", {**USER, "n": 1}, {"n": 1}),
        ("body $.user.name drop", USER, {"user": {"age": 36, "tags": ["x", 1]}}),
        ("body $..tags[0] drop", USER, {"user": {**USER["user"], "tags": [1]}}),
        ("body $..tags", USER, {"user": {**USER["user"], "tags": MASK}}),
        ("body $.a hash", {"a": "Bearer abc"}, {"a": BEARER}),
        ("body $..iban hash", {"x": {"IBAN": "Bearer abc"}}, {"x": {"IBAN": BEARER}}),
        ("body $.auth hash", {"auth": {"a": ["Bearer abc", None, ""]}}, {"auth": {"a": [BEARER, None, ""]}}),
        ("body $.token keep", {"token": "a", "x": {"token": "b"}}, {"token": "a", "x": {"token": MASK}}),
        (
            "body $.session keep",
            {"session": {"title": "a", "pin": 1}},
            {"session": {"title": "a", "pin": MASK}},
        ),
        ("body $.a keep", {"a": JWT}, {"a": MASK}),
        ("body $.user.name keep; body $.user", USER, {"user": {"name": "Ada", "age": MASK, "tags": MASK}}),
        ("body $.user.name keep; body $.user drop", USER, {"user": {"name": "Ada"}}),
        ("body $..n keep; body $", {"n": 1, "m": 2, "o": [{"n": 3}]}, {"n": 1, "m": MASK, "o": [{"n": 3}]}),
        ("body $[*].a", [{"a": 1}, {"a": None}], [{"a": MASK}, {"a": None}]),
        ("body $", [1], MASK),
        ("body $.a", {"a": [], "b": 1}, {"a": [], "b": 1}),
        ("/x/* body $.a", {"a": 1}, {"a": 1}),
        ("response.body $.a", {"a": 1}, {"a": 1}),
        ("body $..value keep", {"name": "token", "value": "v"}, {"name": "token", "value": "v"}),
    ],
)
def test_places_in_json(rules: str, before: object, after: object) -> None:
    """Each action at its place, the first rule that matches, and nothing else."""
    assert body(rules, before) == after


def test_a_body_without_anything_to_do_is_the_same_text() -> None:
    """Spaces and order are the app's own."""
    text = '{ "b": 1,  "a": "x" }'
    assert redactor("body $.c").body(text, "application/json", Tally()) == text


@pytest.mark.parametrize(("path", "route"), [("/a/1", None), ("/v2/a/1", "/a/*"), ("/a/", "/other")])
def test_a_rule_for_a_path_holds_for_the_route_as_well(path: str, route: str | None) -> None:
    """Either of them may match."""
    assert body("/a/* body $.a", {"a": 1}, path=path, route=route) == {"a": MASK}


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("rules", "before", "after"),
    [
        ("form q drop", "q=1&a=2&q=3", "a=2"),
        ("form q*", "qu=1&a=2", "qu=[REDACTED]&a=2"),
        ("form password keep", "password=x&pin=1", "password=x&pin=[REDACTED]"),
        ("body $.user.name hash", "user[name]=Bearer+abc", f"user[name]={BEARER}"),
        ("body $.user", "user[name]=x&a=1", "user[name]=[REDACTED]&a=1"),
    ],
)
def test_forms(rules: str, before: str, after: str) -> None:
    """Fields by name, or by the place they stand for."""
    assert redactor(rules).body(before, FORM, Tally()) == after


def test_fields_of_a_multipart_form() -> None:
    """The same, taken apart; what is dropped leaves a gap."""
    fields = [("q", "1"), ("token", "t"), ("a", "Bearer abc"), ("b", "2")]
    clean = redactor("form q drop; form token keep; form a hash").fields(fields, Tally())
    assert clean == [None, ("token", "t"), ("a", BEARER), ("b", "2")]


@pytest.mark.parametrize(
    ("rules", "before", "after"),
    [
        ("query q", "q=a+b&z=1", "q=REDACTED&z=1"),
        ("query q drop", "a=1&Q=2&%71=3", "a=1"),
        ("query q drop", "q=2", ""),
        ("query token keep", "token=t&password=p", "token=t&password=REDACTED"),
        ("query token keep", f"token={JWT}", "token=REDACTED"),
        ("query q hash", "q=Bearer%20abc", f"q={BEARER}"),
        ("query *", "a=1&b&c=", "a=REDACTED&REDACTED&c="),
        ("query state drop", "state=1&code=4/0AX4XfWh", "code=REDACTED"),
    ],
)
def test_queries(rules: str, before: str, after: str) -> None:
    """Parameters by their decoded name, in any case; the rest as always."""
    assert redactor(rules).query(before, Tally()) == after


def test_a_query_rule_holds_in_every_url() -> None:
    """Referer, Location, and what others write on spans; a rule for some paths holds there, too."""
    assert redactor("query q").url("https://h/p?q=1&z=2#x", Tally()) == "https://h/p?q=REDACTED&z=2#x"
    everywhere = Redactor(rules=parse_rules("/x query q; /y query z keep; query z"))
    assert everywhere.url("/p?q=1&z=2", Tally()) == "/p?q=REDACTED&z=REDACTED"


@pytest.mark.parametrize(
    ("rules", "before", "after"),
    [
        ("header authorization hash", [("Authorization", "Bearer abc")], [("authorization", BEARER)]),
        ("header x-* drop", [("X-A", "1"), ("Accept", "y")], [("accept", "y")]),
        ("header x-tribe", [("x-tribe", "blue"), ("x-tribe", "")], [("x-tribe", MASK), ("x-tribe", "")]),
        ("header token keep", [("token", "t"), ("api-key", "k")], [("token", "t"), ("api-key", MASK)]),
        ("header x-note keep", [("x-note", JWT)], [("x-note", MASK)]),
        ("header cookie drop", [("cookie", "a=b")], []),
        ("cookie theme keep", [("cookie", "theme=dark; sid=x")], [("cookie", f"theme=dark; sid={MASK}")]),
        ("cookie a drop", [("cookie", "a=1; b=2"), ("set-cookie", "a=1")], [("cookie", f"b={MASK}")]),
        ("cookie s hash", [("set-cookie", "s=Bearer abc; Path=/")], [("set-cookie", f"s={BEARER}; Path=/")]),
        ("request.header x", [("x", "1")], [("x", MASK)]),
        ("response.header x", [("x", "1")], [("x", "1")]),
    ],
)
def test_headers_and_cookies(rules: str, before: list[tuple[str, str]], after: object) -> None:
    """Field lines by name, cookies by their own names."""
    assert redactor(rules).header_pairs(before, Tally()) == after


def test_the_standard_list_of_headers_holds_beside_rules() -> None:
    """SANITIZE_FIELDS masks what no rule is for; a rule for the same header goes first."""
    made = redactor("header x-own-a keep; header x-b drop", headers=["x-own-.*"])
    pairs = [("X-Own-A", "1"), ("X-Own-C", "2"), ("x-b", "3"), ("x-d", "4")]
    assert made.header_pairs(pairs, Tally()) == [("x-own-a", "1"), ("x-own-c", MASK), ("x-d", "4")]


def test_each_rule_counts_under_its_own_name() -> None:
    """What a rule did can be seen in the record."""
    tally = Tally()
    made = redactor("body $.user; query q drop; iban: body $..iban hash; body $.token keep")
    made.body('{"iban": "x", "user": {"a": 1, "b": 2}, "token": "t", "pin": 4}', "application/json", tally)
    made.query("q=1&token=t", tally)
    assert tally.counts == {"iban": 1, "rule_2": 1, "rule_1": 1, "key": 1, "query": 1}


@pytest.mark.parametrize(
    ("rules", "text", "media_type", "shown"),
    [
        ("body $.a", "plain words", "text/plain", "rules"),
        ("body $.a", "<p>page</p>", "text/html", "rules"),
        ("body $.a", '{"a": 1', "application/json", None),
        ("body $ drop", '{"a": 1}', "application/json", "rules"),
        ("body $.a", '{"a": 1}', "text/plain", '{"a":"[REDACTED]"}'),
        ("body $.a keep", "plain words", "text/plain", "plain words"),
        ("/x body $.a", "plain words", "text/plain", "plain words"),
        ("query a", "plain words", "text/plain", "plain words"),
        ("form a", "plain words", "text/plain", "plain words"),
    ],
)
def test_what_has_no_places_is_withheld(rules: str, text: str, media_type: str, shown: str | None) -> None:
    """A rule that cannot be followed does not mean that there is nothing to hide."""
    if shown == "rules":
        with pytest.raises(Withheld, match="rules"):
            redactor(rules).body(text, media_type, Tally())
    else:
        assert redactor(rules).body(text, media_type, Tally()) == shown


EVENTS = "text/event-stream"


@pytest.mark.parametrize(
    ("rules", "text", "kind", "shown"),
    [
        ("body $.a", '{"a":1}\n{"a":2,"b":3}\n', "application/x-ndjson",
         f'{{"a":"{MASK}"}}\n{{"a":"{MASK}","b":3}}\n'),
        ("body $.a drop", '{"a":1,"b":2}\n{"b":3}\n', "text/plain", '{"b":2}\n{"b":3}\n'),
        ("body $.a", ")]}',\n{\"a\":1}", "application/json", f")]}}',\n{{\"a\":\"{MASK}\"}}"),
        ("body $.a", 'event: x\nid: 7\ndata: {"a":1}\n\ndata: {"b":1}\n\n', EVENTS,
         f'event: x\nid: 7\ndata: {{"a":"{MASK}"}}\n\ndata: {{"b":1}}\n\n'),
        ("body $.a", "data: event: x\n: ping\nwords\n\n", EVENTS, f"data: {MASK}\n: {MASK}\n{MASK}\n\n"),
        ("body $.a keep", "data: [DONE]\n: ping\n\n", EVENTS, "data: [DONE]\n: ping\n\n"),
        ("body $.a", '{"a":1}\nwords', "application/x-ndjson", None),
    ],
)  # fmt: skip
def test_each_line_and_each_event_is_a_document(rules: str, text: str, kind: str, shown: str | None) -> None:
    """JSON that comes in pieces has places; what of it has none is masked, or withheld with the rest."""
    if shown is None:
        with pytest.raises(Withheld, match="rules"):
            redactor(rules).body(text, kind, Tally())
    else:
        assert redactor(rules).body(text, kind, Tally()) == shown


def test_only_what_is_kept_is_shown_of_events_and_lines() -> None:
    """Names of events are shown as names of members are; comments, numbers and texts are not."""
    made = redactor("body $.a keep", allow=True)
    text = 'id: 7\nevent: x\ndata: {"a":1,"b":2}\n: ping\n\ndata: words\n\n'
    assert made.body(text, EVENTS, Tally()) == (
        f'{MASK}\nevent: x\ndata: {{"a":1,"b":0}}\n: {MASK}\n\ndata: {MASK}\n\n'
    )
    assert made.body('{"a":1}\n{"b":2}\n', "application/x-ndjson", Tally()) == '{"a":1}\n{"b":0}\n'


# Allow-list mode --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "before", "after"),
    [
        ("", {"a": "x", "b": 3, "c": 1.5, "d": True, "e": None, "f": ""},
         {"a": MASK, "b": 0, "c": 0.0, "d": False, "e": None, "f": ""}),
        ("", ["x", [2, {"y": "z"}]], [MASK, [0, {"y": MASK}]]),
        ("", "x", MASK),
        ("body $..id keep", {"id": 7, "o": [{"id": 8, "n": "x"}]}, {"id": 7, "o": [{"id": 8, "n": MASK}]}),
        ("body $.user keep", {"user": {"name": "A", "password": "p"}, "b": 1},
         {"user": {"name": "A", "password": MASK}, "b": 0}),
        ("body $.user.pin; body $.user keep", {"user": {"a": 1, "pin": 2}}, {"user": {"a": 1, "pin": MASK}}),
        ("body $.a drop; body $.b keep", {"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 0}),
        ("body $.a keep", {"a": JWT}, {"a": MASK}),
        ("/x body $ keep", {"a": 1}, {"a": 0}),
    ],
)  # fmt: skip
def test_only_what_is_kept_is_shown_of_json(rules: str, before: object, after: object) -> None:
    """Every value but its type is gone, unless a rule keeps it; sensitive names stay masked inside."""
    assert body(rules, before, allow=True) == after


def test_only_what_is_kept_is_shown_of_the_rest() -> None:
    """Queries, headers, cookies and forms; texts without places are withheld."""
    made = redactor("query q keep; header x-ok keep; cookie a keep; form f keep", allow=True)

    assert made.query("q=1&r=2&s", Tally()) == "q=1&r=REDACTED&REDACTED"
    assert made.url("/p?q=1&r=2", Tally()) == "/p?q=1&r=REDACTED"
    assert made.body("f=1&g=2", FORM, Tally()) == "f=1&g=[REDACTED]"
    pairs = [("X-Ok", "1"), ("X-No", "2"), ("accept", "*/*"), ("cookie", "a=1; b=2"), ("referer", "/p")]
    assert made.header_pairs(pairs, Tally()) == [
        ("x-ok", "1"), ("x-no", MASK), ("accept", "*/*"), ("cookie", f"a=1; b={MASK}"), ("referer", MASK)
    ]  # fmt: skip
    with pytest.raises(Withheld, match="allow-list"):
        made.body("words", "text/plain", Tally())
    assert made.body("{", "application/json", Tally()) is None
    assert redactor("body $ keep", allow=True).body("words", "text/plain", Tally()) == "words"


def test_what_is_merely_not_listed_is_not_looked_for_elsewhere() -> None:
    """A word that was masked because nobody listed it does not riddle names and addresses."""
    tally = Tally()
    made = redactor(allow=True)
    made.body('{"host": "localhost"}', "application/json", tally)
    made.header_pairs([("x-forwarded-host", "localhost")], tally)
    made.query("host=localhost", tally)
    assert tally.counts == {"unlisted": 3}
    assert tally.secrets == set()


documents = st.recursive(
    st.none() | st.booleans() | st.integers(1, 2**40) | st.text("plai", min_size=1, max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
places = st.lists(st.sampled_from([".a", ".b", "..a", "..b", "[*]", "[0]", ".*"]), max_size=3).map("".join)


@given(documents, places, st.sampled_from(["mask", "drop", "hash"]))
def test_a_rule_changes_what_it_names_and_nothing_else(document: Any, place: str, action: str) -> None:
    """Against the plain meaning of a place: whatever lies at it or inside is gone, all else is as before."""
    kept = [value for path, value in _leaves(document) if not _matches(place, path)]

    try:
        clean = redactor(f"body ${place} {action}").body(json.dumps(document), "application/json", Tally())
    except Withheld:
        assert place == ""
        return
    assert clean is not None
    left = [value for _, value in _leaves(orjson.loads(clean)) if value is not None]
    untouched = [value for value in left if value != MASK and not _is_hash(value)]
    assert untouched == [value for value in kept if value is not None]


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, Mapping):
        return [leaf for key, each in value.items() for leaf in _leaves(each, (*path, key))]
    if isinstance(value, list):
        return [leaf for at, each in enumerate(value) for leaf in _leaves(each, (*path, at))]
    return [(path, value)]


def _matches(place: str, path: tuple[str | int, ...]) -> bool:
    """Whether a place is somewhere on a path; by trying, unlike the real one."""
    if not place:
        return True
    if not path:
        return False
    if place.startswith(".."):
        return _matches(place[1:], path) or _matches(place, path[1:])
    step, length = (place[1], 2) if place[0] == "." else (place[1], 3)
    fits = step == "*" or path[0] == (int(step) if step.isdecimal() else step)
    return fits and _matches(place[length:], path[1:])


@given(documents, st.sampled_from(["text/plain", "application/json", "application/xml", ""]))
def test_nothing_unlisted_is_ever_shown(document: Any, media_type: str) -> None:
    """Whatever a body is and claims to be, no text of it comes out in allow-list mode."""
    try:
        clean = redactor(allow=True).body(json.dumps(document), media_type, Tally())
    except Withheld:
        return
    shown = [value for _, value in _leaves(orjson.loads(clean or "null"))]
    assert [each for each in shown if each not in (None, "", MASK, 0, False)] == []
