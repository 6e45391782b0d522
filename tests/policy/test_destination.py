from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spantap
from exchanges import START, exchange, exchanges
from spantap import DestinationPolicy
from spantap.codec.attributes import encode
from spantap.codec.record import from_record, to_record
from spantap.model import Body, Error, Exchange, Headers, Identity, Peer, Request, Response, Timing
from spantap.policy.fields import FIELDS, GROUPS, ON_DEMAND, OTHER_NAMES
from spantap.policy.policies import InvalidPoliciesError, PolicyFor, named, parse

AGENT = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
WHOLE = exchange(
    request=Request(
        method="POST",
        scheme="https",
        path="/pp",
        query="q=qq",
        headers=Headers([("host", "hh"), ("referer", "rr"), ("user-agent", AGENT), ("x-a", "xx")]),
        headers_dropped=3,
        body=Body("in", size=4411),
        http_version="1.1",
    ),
    response=Response(
        status=503,
        headers=Headers([("content-type", "text/html; charset=utf-8"), ("x-b", "yy")]),
        headers_dropped=4,
        body=Body("out", size=9922),
    ),
    timing=Timing(START, START + 5, START + 9),
    client=Peer("1.2.3.4", 5),
    peer=Peer("6.7.8.9", 6),
    server=Peer("shop", 443),
    route="/rt",
    endpoint="ep",
    identity=Identity(user="uu"),
    error=Error("ValueError", "boom"),
    metadata={"m": 1},
    metrics={"n": 2.0},
    redactions={"card": 1},
)
NOTHING: dict[str, Any] = {
    "version": 1,
    "trace_id": WHOLE.trace_id,
    "span_id": WHOLE.span_id,
    "direction": "inbound",
    "service": "shop",
    "sampled": True,
    "start": 0,
    "end": 0,
}
EMPTY = {"method": "", "scheme": "", "path": ""}
WITHHELD = {"withheld": "switched-off"}
MARKS = (
    *("'POST'", "https", "/pp", "ep'", "1.2.3.4", "'rr'", "Mozilla", "9922", "503", "boom", "text/html"),
    *("q=qq", "/rt", "'1.1'", "4411", "xx", "'in'", "yy", "'out'", "uu", "'m'", "'n'", "card"),
)


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """What of a record is more than nothing."""
    request = {
        name: value
        for name, value in record["request"].items()
        if value != EMPTY.get(name) and value != WITHHELD
    }
    response = {name: value for name, value in record["response"].items() if value != WITHHELD}
    rest = {name: value for name, value in record.items() if NOTHING.get(name) != value}
    return {
        name: value for name, value in {**rest, "request": request, "response": response}.items() if value
    }


@pytest.mark.parametrize(
    ("field", "record"),
    [
        ("date", {"start": START, "end": START}),
        ("method", {"request": {"method": "POST"}}),
        ("host_url", {"request": {"scheme": "https"}, "server": {"address": "shop", "port": 443}}),
        ("path", {"request": {"path": "/pp"}}),
        ("endpoint", {"endpoint": "ep"}),
        (
            "remote_address",
            {"client": {"address": "1.2.3.4", "port": 5}, "peer": {"address": "6.7.8.9", "port": 6}},
        ),
        ("referrer", {"request": {"headers": {"referer": ["rr"]}}}),
        ("user_agent", {"request": {"headers": {"user-agent": [AGENT]}}}),
        ("browser", {"request": {"browser": "Firefox"}}),
        ("platform", {"request": {"platform": "Ubuntu"}}),
        ("response_time", {"first_byte": 5, "end": 9}),
        ("response_size", {"response": {"body": {"size": 9922, **WITHHELD}}}),
        ("status", {"response": {"status": 503}}),
        ("exception", {"error": {"type": "ValueError", "message": "boom"}}),
        ("mimetype", {"response": {"headers": {"content-type": ["text/html"]}}}),
        ("query", {"request": {"query": "q=qq"}}),
        ("route", {"route": "/rt"}),
        ("http_version", {"request": {"http_version": "1.1"}}),
        ("request_size", {"request": {"body": {"size": 4411, **WITHHELD}}}),
        (
            "request_headers",
            {
                "request": {
                    "headers": {name: list(values) for name, values in WHOLE.request.headers.items()},
                    "headers_dropped": 3,
                }
            },
        ),
        ("request_body", {"request": {"body": {"content": "in"}}}),
        (
            "response_headers",
            {
                "response": {
                    "headers": {"content-type": ["text/html; charset=utf-8"], "x-b": ["yy"]},
                    "headers_dropped": 4,
                }
            },
        ),
        ("response_body", {"response": {"body": {"content": "out"}}}),
        ("identity", {"identity": {"user": "uu"}}),
        ("metadata", {"metadata": {"m": 1}}),
        ("metrics", {"metrics": {"n": 2.0}}),
        ("redactions", {"redactions": {"card": 1}}),
    ],
)
def test_a_field_alone_and_all_but_it(field: str, record: dict[str, Any]) -> None:
    """Each field can be had alone, and left out alone; nothing else moves."""
    alone, without = DestinationPolicy(fields=[field]), DestinationPolicy(fields=[f"-{field}"])

    assert shown(to_record(alone.reduced(WHOLE))) == record
    assert alone.kept == (field,)
    left = str(to_record(without.reduced(WHOLE)))
    gone = {"request_headers": ["xx"], "response_headers": ["yy"]}.get(field)  # the rest is other fields'
    for mark in MARKS:
        assert (mark in left) is (mark not in str(record) if gone is None else mark not in gone)


def test_every_field_is_tested_and_has_one_name() -> None:
    """The table of fields is whole, and another name for one of them is no field."""
    rows = test_a_field_alone_and_all_but_it.pytestmark[0].args[1]

    assert [row[0] for row in rows] == list(FIELDS)
    assert {*GROUPS, *OTHER_NAMES}.isdisjoint(FIELDS)
    assert set(OTHER_NAMES.values()) <= set(FIELDS)


def test_names_of_fields() -> None:
    """flask-traffic's names and groups will do; the order given stays; a field named twice is one."""
    twice = ["status", "request_date", "response_status_code"]

    assert DestinationPolicy(fields=twice).kept == ("status", "date")
    assert DestinationPolicy(fields=["bodies"]).kept == ("request_body", "response_body")
    assert DestinationPolicy().kept is None
    without = DestinationPolicy(fields=["-headers", "-request_referrer"]).kept
    assert without is not None
    assert {*FIELDS} - {*without} == {"request_headers", "response_headers", "referrer", *ON_DEMAND}


def test_what_a_header_says_goes_with_its_field() -> None:
    """Without the address no header tells it; a policy made from another one keeps what that took out."""
    headers = Headers([("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4"), ("x-a", "1")])
    asked = exchange(request=replace(WHOLE.request, headers=headers), client=Peer("1.2.3.4"))
    policy = replace(DestinationPolicy(fields=["-remote_address"]), only_on_exception=True)

    assert "1.2.3.4" not in str(policy.reduced(asked))
    assert policy.reduced(asked).request.headers == {"x-a": ("1",)}
    assert DestinationPolicy(fields=["request_headers"]).reduced(asked).request.headers == headers


def test_without_fields_nothing_is_copied() -> None:
    """A policy that leaves out no field hands on the same object."""
    assert DestinationPolicy(on_status_codes=[404]).reduced(WHOLE) is WHOLE


@settings(max_examples=40)
@given(exchanges(), st.sets(st.sampled_from(FIELDS), min_size=1), st.booleans())
def test_what_is_left_is_a_record(full: Exchange, names: set[str], all_but: bool) -> None:
    """Whatever is left out, the record can be written and read back, and nothing more leaves it then."""
    policy = DestinationPolicy(fields=[f"-{name}" if all_but else name for name in sorted(names)])

    left = policy.reduced(full)

    assert from_record(to_record(left)) == left
    assert encode(left)
    assert policy.reduced(left) == left
    assert left.timing.duration in (0, full.timing.duration)


def error(type: str) -> Exchange:  # noqa: A002
    return exchange(error=Error(type), response=Response(status=500))


@pytest.mark.parametrize(
    ("words", "yes", "no"),
    [
        ({"only_on_exception": True}, error("KeyError"), error("500")),
        ({"skip_on_exception": True}, error("500"), error("KeyError")),
        ({"on_status_codes": [500]}, error("KeyError"), exchange()),
        ({"on_status_codes": ["200-299", "none"]}, exchange(), error("500")),
        ({"on_status_codes": ["none"]}, exchange(response=Response()), exchange()),
        ({"skip_status_codes": {">=500"}}, exchange(), error("500")),
        ({"on_endpoints": ["shop.*"]}, exchange(endpoint="shop.all"), exchange()),
        ({"skip_endpoints": ("shop.all",)}, exchange(endpoint="shop.one"), exchange(endpoint="shop.all")),
        ({"include": ["path:/users/*"]}, exchange(), exchange(request=Request("GET", "http", "/"))),
        ({"include": ["route:/users/{id}", "method:post"]}, exchange(), exchange(route="/x")),
        ({"exclude": ["content-type:application/*"]}, error("500"), exchange()),
        ({"include": ["error:KeyError"]}, error("shop.KeyError"), error("500")),
        ({"include": ["slower:2"]}, exchange(), exchange(timing=Timing(START, None, START + 1_999_999))),
        ({"include": ["user-agent:*firefox*"]}, WHOLE, exchange()),
        # What takes and what leaves out, together: leaving out wins.
        ({"on_status_codes": ["5xx"], "skip_status_codes": [503]}, error("500"), WHOLE),
        ({"on_status_codes": ["5xx"], "include": ["status:404"]}, error("500"), exchange()),
        ({"on_status_codes": ["5xx"], "skip_on_exception": True}, error("500"), error("KeyError")),
    ],
)
def test_what_is_taken(words: dict[str, Any], yes: Exchange, no: Exchange) -> None:
    """Each word takes one and leaves out another."""
    policy = DestinationPolicy(**words)

    assert policy.takes(yes)
    assert not policy.takes(no)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"on_endpoints": "hello"}, "on_endpoints = 'hello': use a list"),
        ({"skip_endpoints": [3]}, r"skip_endpoints = \[3\]: use a list of texts"),
        ({"on_status_codes": [True]}, r"on_status_codes = \[True\]: use a list of numbers and texts"),
        ({"on_status_codes": ["4oo"]}, "on_status_codes = '4oo': '4oo' is no status: use 404,"),
        ({"on_status_codes": 404}, "on_status_codes = 404: use a list"),
        ({"only_on_exception": "yes"}, "only_on_exception = 'yes': use true or false"),
        ({"include": ["stat:404"]}, "include = 'stat:404': .*did you mean status"),
        ({"exclude": ["path:re:("]}, "exclude = 'path:re:.*not a valid pattern"),
        ({"fields": ["statsu"]}, "fields = 'statsu': there is no such field; did you mean status"),
        ({"fields": []}, "fields = .*name at least one"),
        ({"fields": ["date", "-path"]}, "fields = .*these alone, or all but these"),
        ({"only_on_exception": True, "skip_on_exception": True}, "only_on_exception = True: .*give one"),
        ({"only_on_exception": True, "exclude": ["error:*"]}, "only_on_exception = True: .*give one"),
        ({"skip_on_exception": True, "include": ["error:KeyError"]}, "skip_on_exception = True: .*give one"),
        ({"only_on_exception": True, "include": ["error:KeyError"]}, "takes more than error:KeyError"),
        ({"on_status_codes": [404], "skip_status_codes": ["4xx"]}, "on_status_codes = 'status:404': .*give"),
        ({"include": ["status:4xx"], "skip_status_codes": ["400-450", ">450"]}, "include = 'status:4xx'"),
        ({"on_endpoints": ["a"], "skip_endpoints": ["a"]}, "on_endpoints = 'endpoint:a': .*give one"),
        ({"on_endpoints": ["admin.x"], "exclude": ["endpoint:admin.*"]}, "on_endpoints = 'endpoint:admin.x'"),
        ({"include": ["slower:500"], "exclude": ["slower:100"]}, "include = 'slower:500'"),
        ({"include": ["user-agent:Bot"], "exclude": ["user-agent:b*"]}, "include = 'user-agent:Bot'"),
    ],
)
def test_what_cannot_be(words: dict[str, Any], told: str) -> None:
    """Wrong types, unknown names and contradictions are told when the policy is made, by word."""
    with pytest.raises(spantap.ConfigurationError, match=told):
        DestinationPolicy(**words)


def test_every_mistake_is_told_at_once() -> None:
    """One error lists all mistakes of a policy, and of all policies that are settings."""
    with pytest.raises(spantap.ConfigurationError) as caught:
        DestinationPolicy(on_endpoints="x", on_status_codes=["a", 9, 404], fields=["p"], only_on_exception=1)  # type: ignore[arg-type]

    assert len(caught.value.problems) == 5

    with pytest.raises(InvalidPoliciesError) as both:
        parse(
            "jsonl: fields=nope; jsonl: on_status_codes=x,y; sqlite: onlyy; nonsense; "
            "sqlite: fields=date,-path"
        )
    assert [each.which for each in both.value.problems] == [
        "an entry",
        "jsonl.on_status_codes",
        "jsonl.on_status_codes",
        "jsonl.fields",
        "sqlite.onlyy",
        "sqlite.fields",
    ]


def test_text_table_and_object_say_the_same() -> None:
    """The environment, the file and code mean the same policy, whose text is the environment's."""
    text = "otlp: fields=-bodies\njsonl: on_status_codes=5xx,404; jsonl: only_on_exception"
    table = {
        "jsonl": {"on_status_codes": ["5xx", 404], "only_on_exception": True},
        "otlp": DestinationPolicy(fields=["-bodies"]),
    }

    assert parse(text) == parse(table)
    assert parse("; ".join(map(str, parse(text)))) == parse(table)
    assert parse("jsonl: skip_on_exception=TRUE; jsonl: only_on_exception=false") == (
        PolicyFor("jsonl", DestinationPolicy(skip_on_exception=True)),
    )
    assert parse("") == ()
    assert named(parse(table), "otlp") == DestinationPolicy(fields=["-bodies"])
    assert named(parse(table), "sqlite") is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (3, "all of it: use destination: word=value"),
        ({"jsonl": 3}, "jsonl: use a table"),
        ({"": {}}, "its destination: use the name"),
        ("jsonl: fields=date; jsonl: fields=path", "jsonl.fields: it is there twice"),
        ("jsonl: field=date", "did you mean fields"),
        ({"jsonl": {"only_on_exception": 1}}, "jsonl.only_on_exception: use true or false"),
    ],
)
def test_what_is_no_table_of_policies(given: Any, told: str) -> None:
    """What cannot be read is told with the place where it stands."""
    with pytest.raises(InvalidPoliciesError, match=told):
        parse(given)


@pytest.mark.parametrize(
    ("field", "header"),
    [
        ("identity", "baggage"),
        ("query", "x-original-uri"),
        ("query", "x-forwarded-uri"),
        ("path", "x-rewrite-url"),
        ("path", "x-envoy-original-path"),
        ("remote_address", "fastly-client-ip"),
        ("remote_address", "x-original-forwarded-for"),
        ("remote_address", "forwarded"),
        ("host_url", "forwarded"),
    ],
)
def test_headers_that_say_the_same_go_too(field: str, header: str) -> None:
    """A destination without a field does not learn it from a header a proxy, or we, have written it in."""
    given = exchange(request=Request("GET", "http", "/", headers=Headers([(header, "said"), ("x-a", "b")])))
    assert dict(DestinationPolicy(fields=[f"-{field}"]).reduced(given).request.headers) == {"x-a": ("b",)}
    assert header in DestinationPolicy(fields=["-metadata"]).reduced(given).request.headers
