"""The user's rules as they are written, and what cannot work told by name."""

from __future__ import annotations

from typing import Any

import pytest

from spantap.policy.redact.places import PlaceError, Places, covers, parse_place
from spantap.policy.redact.user_rules import InvalidRulesError, Rule, parse_rules

BOTH = ("request", "response")
WRITTEN = [
    ("request.body $.user.*.name", Rule("rule_1", ("request",), "body", "$.user.*.name")),
    ("body $..iban hash", Rule("rule_1", BOTH, "body", "$..iban", "hash")),
    ("response.header X-Customer DROP", Rule("rule_1", ("response",), "header", "X-Customer", "drop")),
    ("query q", Rule("rule_1", ("request",), "query", "q")),
    ("query mask drop", Rule("rule_1", ("request",), "query", "mask", "drop")),
    ('form "first name" keep', Rule("rule_1", BOTH, "form", "first name", "keep")),
    ("note: body $.items[*].note", Rule("note", BOTH, "body", "$.items[*].note")),
    ("/accounts/{id} cookie theme keep", Rule("rule_1", BOTH, "cookie", "theme", "keep", "/accounts/{id}")),
    ("t: re:^/v[0-9]+/ body $['a; b'][0]", Rule("t", BOTH, "body", "$['a; b'][0]", "mask", "re:^/v[0-9]+/")),
]


@pytest.mark.parametrize(("text", "rule"), WRITTEN)
def test_a_rule_is_read_as_it_is_written(text: str, rule: Rule) -> None:
    """Name, path and action may be left out; what is shown of a rule reads as the same rule."""
    assert parse_rules(text) == (rule,)
    assert parse_rules([text]) == (rule,)
    assert parse_rules([rule]) == (rule,)
    assert parse_rules(str(rule)) == (rule,)


def test_rules_stand_one_a_line_or_between_semicolons_or_in_tables() -> None:
    """The environment, a file and code say the same in their own ways."""
    text = "query a;\n\n iban: /x/* body $..iban hash ;body $['b;c']"
    table = {"name": "iban", "path": "/x/*", "field": "body", "select": "$..iban", "action": "hash"}
    tables: list[Any] = [{"field": "query", "select": "a"}, table, "body $['b;c']"]

    assert parse_rules(text) == parse_rules(tables)
    assert len(parse_rules(text)) == 3
    assert parse_rules("") == parse_rules([]) == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("bdy $.x", "unknown field 'bdy'; there are body, header, cookie, query, form; did you mean body?"),
        ("reqest.body $.x", "unknown side 'reqest'"),
        ("body", "a selector is missing"),
        ("t:", "the field is missing"),
        ("body x", "begins with $"),
        ("body $.x[?(@.y)]", "filters are not supported"),
        ("body $[-1]", "negative indexes are not supported"),
        ("body $.x[1:2]", "slices"),
        ("body $.", "cannot be read from '.' on"),
        ("header $.x", "places such as '$.x' are for bodies"),
        ("body $.x masc", "unknown action 'masc'; there are mask, drop, hash, keep; did you mean mask?"),
        ("query first name keep", "one word too many"),
        ("response.query q", "a response has no query: this never matches"),
        ("request.header set-cookie", "a request has no set-cookie: this never matches"),
        ("re:( body $", "missing )"),
        ([{"field": "body", "select": "$.a", "path": "api"}], "'api' never matches"),
        ([{"feld": "body"}], "unknown member 'feld'; there are name, path, field, select, action"),
        ([{"field": 3, "select": "$"}], "field has to be text"),
        ([{"name": "no name", "field": "body", "select": "$"}], "'no name' is no name"),
        ([7], "a rule is text or a table"),
        (7, "use a list of rules"),
    ],
)
def test_a_rule_that_cannot_work_is_told_with_the_remedy(given: object, said: str) -> None:
    """Wrong syntax, unknown fields and what never matches: told at once, by number."""
    with pytest.raises(InvalidRulesError) as caught:
        parse_rules(given)

    (problem,) = caught.value.problems
    assert said in problem.remedy
    assert problem.which in ("rule 1", "all")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("body $..a", "body $.x.a keep", "put this one first"),
        ("body $.a keep", "body $.a.b", "put this one first"),
        ("body $..*", "request.body $.a", "delete one"),
        ("header x-*", "header X-Tribe keep", "put this one first"),
        ("query *", "query a*", "delete one"),
        ("body $.a", "/x body $.a drop", "put this one first"),
        ("a: query q", "a: query r", "already"),
    ],
)
def test_a_rule_that_is_never_used_is_told(first: str, second: str, said: str) -> None:
    """The first rule that matches counts, so one that an earlier one covers is a mistake."""
    with pytest.raises(InvalidRulesError) as caught:
        parse_rules([first, second])

    (problem,) = caught.value.problems
    assert problem.which == "rule 2"
    assert said in problem.remedy


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("body $.x.a keep", "body $..a"),
        ("body $.a.b keep", "body $.a"),
        ("/x body $.a", "body $.a keep"),
        ("request.body $.a", "body $.a keep"),
        ("header x-tribe keep", "header x-*"),
        ("form a", "query a"),
        ("body $.*", "body $..a"),
        ("body $..x.a", "body $..a"),
    ],
)
def test_rules_that_leave_something_for_each_other_stand(first: str, second: str) -> None:
    """An exception before its rule is no contradiction."""
    assert len(parse_rules([first, second])) == 2


def test_all_mistakes_are_told_together() -> None:
    """Every wrong rule has its own line."""
    with pytest.raises(InvalidRulesError) as caught:
        parse_rules("bdy $.x; query q; header $")

    assert [each.which for each in caught.value.problems] == ["rule 1", "rule 3"]


@pytest.mark.parametrize(
    ("place", "reached", "missed"),
    [
        ("$", [[]], [["a"]]),
        ("$.a.b", [["a", "b"], ["A", "B"]], [["a"], ["b"], ["a", "b", "c"], ["x", "a", "b"]]),
        ("$..b", [["b"], ["a", "b"], ["a", 0, "b"], ["b", "b"]], [["a"], ["b", "a"]]),
        ("$.a[*].b", [["a", 0, "b"], ["a", 9, "b"]], [["a", "b"]]),
        ("$.a[1]", [["a", 1]], [["a", 0], ["a", "1"]]),
        ("$..a..b", [["a", "b"], ["x", "a", 3, "y", "b"]], [["b", "a"], ["a"]]),
        ("$.*", [["a"], [0]], [[], ["a", "b"]]),
        ("$..*", [["a"], ["a", 0]], [[]]),
    ],
)
def test_a_place_is_reached_by_its_steps_alone(place: str, reached: list[Any], missed: list[Any]) -> None:
    """Names, indexes, any of them, and any number of levels."""
    places = Places([(0, parse_place(place))])

    def rule(steps: list[str | int]) -> int:
        position = places.root
        for step in steps:
            position = places.down(position, step)
        return position.rule

    assert [rule(each) for each in reached] == [0] * len(reached)
    assert 0 not in [rule(each) for each in missed]


def test_what_strangers_name_does_not_fill_the_memory() -> None:
    """However many names come by, only those the rules name make a difference."""
    places = Places([(0, parse_place("$..a..b..c"))])
    for number in range(10_000):
        places.down(places.down(places.root, f"x{number}"), number)

    assert len(places._known) < 10


def test_covers_is_careful() -> None:
    """Only what is certainly covered is said to be."""
    assert covers(parse_place("$..a"), parse_place("$..a.b"))
    assert not covers(parse_place("$.a"), parse_place("$..a"))
    with pytest.raises(PlaceError):
        parse_place("a")
