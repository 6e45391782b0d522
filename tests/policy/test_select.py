"""Which exchanges are kept."""

from __future__ import annotations

from typing import Any

import pytest

from spantap.model import Observation
from spantap.policy.patterns import InvalidPatternError
from spantap.policy.select import PROBES, Selection


def seen(**facts: Any) -> Observation:
    made = {"method": "GET", "scheme": "http", "path": "/", "query": "", "start": 0, "end": 0, **facts}
    return Observation(**made)


def kept(selection: Selection, facts: Observation) -> bool:
    return selection.wants_request(facts) and (not selection.late or selection.keeps(facts))


JSON = [("Content-Type", "Application/JSON; charset=utf-8")]
MATCHES: list[tuple[str, dict[str, Any]]] = [
    ("method:post", {"method": "POST"}),
    ("user-agent:*CURL*", {"user_agent": "my curl/8"}),
    ("user-agent:re:^curl/\\d", {"user_agent": "CURL/8"}),
    ("route:/users/*", {"route": "/users/{id}"}),
    ("endpoint:admin.*", {"endpoint": "admin.index"}),
    ("endpoint:re:index$", {"endpoint": "admin.index"}),
    ("content-type:application/*", {"response_headers": JSON}),
    ("content-type:application/json", {"response_headers": JSON}),
    ("status:404", {"status": 404}),
    ("status:5xx", {"status": 503}),
    ("status:400-409", {"status": 409}),
    ("status:>=400", {"status": 400}),
    ("status:>400", {"status": 401}),
    ("status:<300", {"status": 204}),
    ("status:none", {"status": None}),
    ("error:*", {"error_type": "ValueError"}),
    ("error:ShopError", {"error_type": "shop.errors.ShopError"}),
    ("error:shop.*", {"error_type": "shop.errors.ShopError"}),
    ("slower:250", {"end": 250_000_000}),
]
OTHER = {
    "user_agent": "firefox",
    "route": "/other",
    "endpoint": "other",
    "response_headers": [("content-type", "text/html")],
    "status": 302,
    "end": 249_999_999,
}


@pytest.mark.parametrize(("rule", "facts"), MATCHES)
def test_a_rule_finds_what_it_names(rule: str, facts: dict[str, Any]) -> None:
    """Each trait takes in, or leaves out, what it matches, and nothing else."""
    match, other = seen(**facts), seen(**OTHER)

    assert (kept(Selection(taken=[rule]), match), kept(Selection(taken=[rule]), other)) == (True, False)
    assert (kept(Selection(left_out=[rule]), match), kept(Selection(left_out=[rule]), other)) == (False, True)


@pytest.mark.parametrize(("rule", "facts"), MATCHES)
def test_what_is_not_there_matches_nothing(rule: str, facts: dict[str, Any]) -> None:
    """An exchange that has no route, no answer, no exception is told by none of them."""
    assert kept(Selection(left_out=[rule]), seen()) is (rule != "status:none")


def test_exclusion_beats_inclusion() -> None:
    """Of each trait that is named one rule has to match, and none of those that leave out."""
    selection = Selection(taken=["status:5xx", "status:404", "method:GET"], left_out=["endpoint:static"])

    assert kept(selection, seen(status=404))
    assert kept(selection, seen(status=500))
    assert not kept(selection, seen(status=200))
    assert not kept(selection, seen(status=500, method="POST"))
    assert not kept(selection, seen(status=500, endpoint="static"))


def test_probes_and_health_checks() -> None:
    """What machines ask for is left out, unless that is switched off; names only count at their beginning."""
    usual, everything = Selection(), Selection(defaults=False)

    for facts in (
        seen(path="/healthz"),
        seen(path="/static/a.js"),
        *(seen(user_agent=f"{each}1") for each in PROBES),
    ):
        assert (kept(usual, facts), kept(everything, facts)) == (False, True)
    assert kept(usual, seen(user_agent="Mozilla/5.0 (kube-probe/1.2)"))
    assert not kept(everything, seen(method="OPTIONS"))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("statsu:404", "did you mean status"),
        ("status", "no rule"),
        ("status:", "no rule"),
        ("status:abc", "404, 400-499, 5xx"),
        ("status:>=5xx", "404, 400-499, 5xx"),
        ("slower:long", "slower:250"),
        ("route:re:(", "not a valid pattern"),
    ],
)
def test_rules_that_are_none(rule: str, says: str) -> None:
    """A mistake is told with what would be right."""
    with pytest.raises(InvalidPatternError) as caught:
        Selection(taken=[rule])

    assert says in str(caught.value)
