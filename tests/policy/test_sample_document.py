"""Rates as a service hands them out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policy.test_rates import seen
from policy.test_sample import HIGH, LOW, OUT, judged
from spantap.policy.rates import Known, parse_rates
from spantap.policy.sample import Always
from spantap.policy.sample_document import InvalidDocumentError, SampleDocument

BASE = SampleDocument(0.5, parse_rates("path:/orders/7=0.1"), Always(error=True))
# As Moesif's service answers, members that are not about sampling included.
MOESIF = {
    "org_id": "1:2",
    "app_id": "3:4",
    "sample_rate": 25,
    "user_sample_rate": {"42": 100, "a*": 0, "7": 10},
    "company_sample_rate": {"acme": 50},
    "regex_config": [
        {
            "conditions": [
                {"path": "request.verb", "value": "POST"},
                {"path": "request.route", "value": "/orders/.*"},
            ],
            "sample_rate": 100,
        },
        {"conditions": [{"path": "request.route", "value": "ping"}], "sample_rate": 0},
        {"conditions": [{"path": "response.status", "value": "^4"}], "sample_rate": 10},
        {"conditions": [{"path": "request.ip_address", "value": "^10[.]"}], "sample_rate": 12.5},
    ],
    "block_bot_traffic": True,
    "user_rules": {"42": [{"rules": "5", "values": {}}]},
}


def by(document: Any) -> Any:
    return BASE.sampler(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("facts", "trace", "came"),
    [
        # The first expression that matches, all of its conditions, then the user, the company, all.
        ({"method": "POST", "user": "7"}, HIGH, (1.0, "rate")),
        ({"method": "POST", "path": "/x"}, HIGH, OUT),
        ({"path": "/a/ping", "user": "42"}, LOW, OUT),
        ({"status": 404, "user": "42"}, LOW, (10.0, "rate")),
        ({"status": 404, "user": "42"}, HIGH, OUT),
        ({"client_address": "10.0.0.1"}, LOW, (8.0, "rate")),
        ({"client_address": None}, LOW, (4.0, "rate")),
        ({"user": "42", "company": "acme"}, HIGH, (1.0, "rate")),
        ({"user": "7", "company": "acme"}, LOW, (10.0, "rate")),
        ({"user": "abc", "company": "acme"}, LOW, (2.0, "rate")),
        ({"user": "a*"}, LOW, OUT),
        ({"company": "acme"}, LOW, (2.0, "rate")),
        ({}, LOW, (4.0, "rate")),
        ({}, HIGH, OUT),
        ({"status": 500}, HIGH, (1.0, "error")),
    ],
)
def test_the_shape_of_moesif(facts: dict[str, Any], trace: int, came: Any) -> None:
    """Per cent, in Moesif's order; weights are exact; errors are kept as the settings say."""
    assert judged(by(MOESIF), trace, **facts) == came


def test_an_address_is_known_last() -> None:
    """Behind proxies the client's address is found out with who it was: till then nothing is decided."""
    sampler, exchange = by(condition("request.ip_address", "^10[.]")), seen(client_address="127.0.0.1")
    assert sampler.judge(exchange, LOW, kept=False, known=Known.PLAIN) is None
    assert sampler.judge(exchange, LOW, kept=False, known=Known.DESCRIBED) is None
    assert exchange.capture_reason is None

    exchange.client_address = "10.0.0.1"
    assert sampler.judge(exchange, LOW, kept=False, known=Known.IDENTIFIED) == OUT


@pytest.mark.parametrize(
    ("document", "facts", "came"),
    [
        ({}, {}, (10.0, "rate")),
        ({}, {"path": "/x"}, (2.0, "rate")),
        ({"sample_rate": 20}, {"path": "/x"}, (5.0, "rate")),
        ({"sample_rate": 20}, {}, (10.0, "rate")),
        ({"sample_rate": 20, "user_sample_rate": {}}, {}, (5.0, "rate")),
        ({"user_sample_rate": None, "regex_config": None}, {}, (2.0, "rate")),
        ({"capture_sample_rate": 0.2}, {"path": "/x"}, (5.0, "rate")),
        ({"capture_sample_rate": 0.2}, {}, (10.0, "rate")),
        ({"capture_rates": {"path:/orders/*": 0.25}}, {}, (4.0, "rate")),
        ({"capture_rates": ["path:/orders/*=0.25"]}, {"path": "/x"}, (2.0, "rate")),
        ({"capture_rates": []}, {}, (2.0, "rate")),
        ({"capture_always_on": "none"}, {"status": 500, "path": "/x"}, (2.0, "rate")),
        ({"capture_always_on": ["slow:1"]}, {"end": 10**9}, (1.0, "slow")),
    ],
)
def test_what_a_document_does_not_say_stays(document: Any, facts: dict[str, Any], came: Any) -> None:
    """The settings hold where it says nothing."""
    assert judged(by(document), LOW, **facts) == came


def condition(path: Any, value: Any) -> dict[str, Any]:
    return {"regex_config": [{"conditions": [{"path": path, "value": value}], "sample_rate": 1}]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "no JSON object"),
        ({"capture_sample_rate": 10}, "capture_sample_rate: use a rate from 0 to 1"),
        ({"capture_rates": {"pth:/a": 1, "path:/b": 2}}, "rule 2: use a rate from 0 to 1"),
        ({"capture_always_on": "eror"}, "did you mean error"),
        ({"capture_sample_rat": 0.1}, "there is no 'capture_sample_rat'.*did you mean capture_sample_rate"),
        ({"capture_sample_rate": 0.1, "sample_rate": 10}, "do not go together"),
        ({"sample_rate": 101}, "sample_rate: use a number from 0 to 100"),
        ({"sample_rate": "10"}, "from 0 to 100"),
        ({"sample_rate": None}, "from 0 to 100"),
        ({"sample_rate": True}, "from 0 to 100"),
        ({"user_sample_rate": {"secret-id": -1}}, "^user_sample_rate: use a number from 0 to 100$"),
        ({"company_sample_rate": [1]}, "company_sample_rate: use an object"),
        ({"regex_config": {}}, "regex_config: use a list"),
        ({"user_sample_rate": []}, "user_sample_rate: use an object"),
        ({"regex_config": {"a": 1}}, "regex_config: use a list"),
        ({"regex_config": [1]}, "entry 1: use an object"),
        ({"regex_config": [{"conditions": []}]}, "entry 1: use an object"),
        ({"regex_config": [{"conditions": [], "sample_rate": 1}]}, "conditions are missing"),
        ({"regex_config": [{"conditions": [7], "sample_rate": 1}]}, "a condition has a path"),
        (condition("request.headers.x", "a"), "one of request.verb"),
        (condition(["x"], "a"), "one of request.verb"),
        (condition("request.route", 7), "the value of a condition is a text"),
        (condition("request.route", "("), "not a valid pattern"),
    ],
)
def test_a_document_is_taken_whole_or_not_at_all(document: Any, said: str) -> None:
    """One mistake, and none of it is used; the message says where, and names nobody."""
    with pytest.raises(InvalidDocumentError, match=said):
        by(document)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"nothing", b"<html>", b'{"sample_rate": NaN}'])
def test_what_is_not_json(content: bytes) -> None:
    """It is told, without a word of it."""
    with pytest.raises(InvalidDocumentError, match=r"^it is not JSON$"):
        BASE.sampler(content)
