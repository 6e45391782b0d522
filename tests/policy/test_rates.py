"""Rates by what an exchange is: how they are written, and which one holds."""

from __future__ import annotations

from typing import Any

import pytest

from spantap.model import Observation
from spantap.policy.rates import Known, RateRule, Rates, parse_rates
from spantap.policy.redact.user_rules import InvalidRulesError


def seen(**facts: Any) -> Observation:
    plain = {"method": "GET", "scheme": "http", "path": "/orders/7", "query": "", "start": 0, "status": 200}
    return Observation(**{**plain, **facts})


PLACES = "path:/orders/7=0.1,endpoint:shop.one=0.2,route:/orders/{id}=0.3"
WHO = {"user": "42", "company": "acme", "route": "/orders/{id}", "endpoint": "shop.one"}


@pytest.mark.parametrize(
    ("rules", "facts", "rate"),
    [
        ("", {}, 0.5),
        # One kind goes before another, wherever it is written.
        (f"{PLACES},company:acme=0.4,user:42=0.9", WHO, 0.9),
        (f"{PLACES},company:acme=0.4", WHO, 0.4),
        (PLACES, WHO, 0.3),
        ("path:/orders/7=0.1,endpoint:shop.one=0.2", WHO, 0.2),
        ("status:200=0.2,path:/orders/7=0.1", WHO, 0.1),
        ("user-agent:*=0.1,method:get=0.2,content-type:*=0.3,slower:1=0.4,error:*=0.6,status:200=0.7",
         {"error_type": "E", "end": 10**9}, 0.7),
        ("user-agent:*=0.1,method:get=0.2,content-type:*=0.3,slower:1=0.4,error:*=0.6",
         {"error_type": "E", "end": 10**9}, 0.6),
        ("user-agent:*=0.1,method:get=0.2,slower:1=0.4", {"end": 10**9}, 0.4),
        ("user-agent:*=0.1,method:get=0.2", {}, 0.2),
        # A name, then the longer pattern, then expressions.
        ("path:re:.=0.1,path:/*=0.2,path:/orders/*=0.3,path:/orders/7=0.4", {}, 0.4),
        ("path:re:.=0.1,path:/*=0.2,path:/orders/*=0.3", {}, 0.3),
        ("path:re:.=0.1,path:/*=0.2", {}, 0.2),
        ("path:re:^/x=0.1,path:re:^/o=0.2", {}, 0.2),
        ("status:2xx=0.1,status:200-204=0.2,status:200=0.3", {}, 0.3),
        ("status:2xx=0.1,status:200-204=0.2", {}, 0.2),
        ("slower:100=0.1,slower:900=0.2", {"end": 10**9}, 0.2),
        # What is not there matches nothing.
        ("user:*=0.1,company:*=0.1,route:*=0.1,endpoint:*=0.1", {}, 0.5),
        ("user:42=0.1", {"user": "421"}, 0.5),
    ],
)  # fmt: skip
def test_one_rule_decides(rules: str, facts: dict[str, Any], rate: float) -> None:
    """The most specific that matches: by kind, then by name or pattern; else the rate for all."""
    assert Rates(parse_rates(rules), 0.5).of(seen(**facts)) == rate


@pytest.mark.parametrize(
    ("rules", "needs"),
    [
        ("", Known.PLAIN),
        ("path:/a=0,status:404=0,method:GET=0,slower:9=0,error:*=0,user-agent:x=0", Known.PLAIN),
        ("route:/a=0", Known.DESCRIBED),
        ("endpoint:a=0,content-type:image/*=0", Known.DESCRIBED),
        ("route:/a=0,user:a=0", Known.IDENTIFIED),
        ("company:a=0", Known.IDENTIFIED),
    ],
)
def test_what_has_to_be_known(rules: str, needs: Known) -> None:
    """As little as the rules need."""
    assert Rates(parse_rates(rules)).needs is needs


@pytest.mark.parametrize(
    "given",
    [
        "route:/orders/{id}=0.1, user:a=b=1",
        ["route:/orders/{id}=0.1", "user:a=b=1"],
        {"route:/orders/{id}": 0.1, "user:a=b": "1"},
        [RateRule("route", "/orders/{id}", 0.1), RateRule("user", "a=b", 1)],
    ],
)
def test_ways_to_write_them(given: Any) -> None:
    """Text, a list, a table, and rules as they are; the rate is behind the last equals sign."""
    assert list(map(str, parse_rates(given))) == ["route:/orders/{id}=0.1", "user:a=b=1"]


@pytest.mark.parametrize(
    ("given", "remedies"),
    [
        ("path:/a=2", ["a rate from 0 to 1"]),
        ("path:/a=-0.1", ["a rate from 0 to 1"]),
        ("path:/a=nan", ["a rate from 0 to 1"]),
        ("path:/a=10%", ["a rate from 0 to 1"]),
        ({"path:/a": True}, ["a rate from 0 to 1"]),
        ({"path:/a": None}, ["has no rate"]),
        ("path:/a", ["has no rate"]),
        ("path=0.1", ["is no rule"]),
        ("pth:/a=0.1", ["did you mean path"]),
        ("path:=0.1", ["is no rule"]),
        ("path:a/*=0.1", ["never matches: a path begins with /"]),
        ("route:a=0.1", ["never matches: a route begins with /"]),
        ("path:re:(=0.1", ["not a valid pattern"]),
        ("status:600-=0.1", ["is no status"]),
        ("slower:fast=0.1,slower:nan=0.1", ["no number of milliseconds"] * 2),
        ("path:/a=0.1,path:/a=0.2", ["is there already, and says 0.1 (rule 1)"]),
        ("path:/a=0.1,path:/a=0.1", ["is there already, as it is (rule 1)"]),
        ("method:GET=0.1,method:get=0.2", ["is there already"]),
        ("path:/a=2,usr:1=0.1,path:/b=0.1", ["a rate from 0 to 1", "did you mean user"]),
        (7, ["use a list of rules"]),
        ([7], ["is no rule"]),
    ],
)
def test_all_mistakes_are_told(given: Any, remedies: list[str]) -> None:
    """Every rule that cannot work, by its number, with what to do."""
    with pytest.raises(InvalidRulesError) as caught:
        parse_rates(given)

    told = caught.value.problems
    assert len(told) == len(remedies)
    for (which, _, remedy), wanted in zip(told, remedies, strict=True):
        assert wanted in remedy
        assert which.startswith(("rule ", "all"))
