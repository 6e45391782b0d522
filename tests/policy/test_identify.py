"""Who a request's headers name, and where it came from."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantap.model import Observation
from spantap.policy.identify import Identifier, IdentityOptions, digest_of, user_of
from spantap.policy.proxies import FORWARDED, TrustedProxies


def url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(**claims: Any) -> str:
    return ".".join((url64(b'{"alg":"none"}'), url64(json.dumps(claims).encode()), "sig"))


def basic(text: str, charset: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(text.encode(charset)).decode()


# Its payload holds both characters in which base64url differs, as those of real tokens do.
ODD = url64('{"sub":"ÿ?>a??user"}'.encode())
assert {"-", "_"} <= set(ODD)
PADDED = base64.urlsafe_b64encode(b'{"sub":"x"}').decode()
assert PADDED.endswith("=")

VECTORS = {
    "a bearer token": (f"Bearer {jwt(sub='ada')}", "sub", "ada"),
    "any case": (f"bEARER {jwt(sub='ada')}", "sub", "ada"),
    "base64url": (f"Bearer h.{ODD}.s", "sub", "ÿ?>a??user"),
    "the standard alphabet": (f"Bearer h.{ODD.replace('-', '+').replace('_', '/')}.s", "sub", "ÿ?>a??user"),
    "padding": (f"Bearer h.{PADDED}.s", "sub", "x"),
    "a number": (f"Bearer {jwt(sub=42)}", "sub", "42"),
    "zero": (f"Bearer {jwt(sub=0)}", "sub", "0"),
    "another claim": (f"Bearer {jwt(sub='1', email='a@example.com')}", "email", "a@example.com"),
    "a claim in another case": (f"Bearer {jwt(userId='7')}", "userid", "7"),
    "a claim within a claim": (f"Bearer {jwt(act={'user': 'eve'})}", "act.user", "eve"),
    "a claim with a dot in its name": (f"Bearer {jwt(**{'https://a.b/u': 'z'})}", "https://a.b/u", "z"),
    "no such claim": (f"Bearer {jwt(name='ada')}", "sub", None),
    "a list": (f"Bearer {jwt(sub=['a', 'b'])}", "sub", None),
    "an object": (f"Bearer {jwt(sub={'a': 1})}", "sub", None),
    "a truth": (f"Bearer {jwt(sub=True)}", "sub", None),
    "blanks": (f"Bearer {jwt(sub='  ')}", "sub", None),
    "two parts": (f"Bearer h.{ODD}", "sub", None),
    "an opaque token": ("Bearer 7c1f90e2-secret", "sub", None),
    "an encrypted token": ("Bearer h.k.i.c.t", "sub", None),
    "a payload that is no object": (f"Bearer h.{url64(b'[1]')}.s", "sub", None),
    "a payload that is no JSON": (f"Bearer h.{url64(b'{nope')}.s", "sub", None),
    "a payload that is no base64": ("Bearer h.%%%.s", "sub", None),
    "characters that are not ASCII": ("Bearer h.éé.s", "sub", None),
    "a scheme alone": ("Bearer", "sub", None),
    "nothing": ("", "sub", None),
    "a bare token": (jwt(sub="ada"), "sub", "ada"),
    "base64 of JSON": (base64.b64encode(b'{"sub":"gw"}').decode(), "sub", "gw"),
    "the first of several": (f"Bearer {jwt(sub='ada')}, Bearer {jwt(sub='eve')}", "sub", "ada"),
    "a name and a password": (basic("ada:pass:word"), "sub", "ada"),
    "a name in UTF-8": (basic("ädä:p"), "sub", "ädä"),
    "a name in latin-1": (basic("ädä:p", "latin-1"), "sub", "ädä"),
    "no name": (basic(":p"), "sub", None),
    "a key for a name": (basic("sk_test_4eC39HqLyjWD:"), "sub", None),
    "a key and a word": (basic("gh-key:x-oauth-basic"), "sub", None),
    "no colon": (basic("justtext"), "sub", None),
    "Basic garbage": ("Basic !!!", "sub", None),
    "another scheme": ('Digest username="ada", realm="x"', "sub", None),
    "very long": (f"Bearer {'a' * 200_000}.{ODD}.s", "sub", None),
}


@pytest.mark.parametrize("vector", VECTORS)
def test_whom_a_header_names(vector: str) -> None:
    """Tokens and names are read as they are written in the wild; whatever names nobody is nobody."""
    value, claim, user = VECTORS[vector]

    assert user_of(value, claim) == user


@given(st.text(), st.sampled_from(["", "Bearer ", "Basic ", "Bearer a.", "x.y."]), st.text())
def test_no_header_is_too_odd(text: str, scheme: str, claim: str) -> None:
    """Nothing in a header raises."""
    for value in (text, f"{scheme}{text}", f"{scheme}{url64(text.encode(errors='replace'))}.s"):
        assert isinstance(user_of(value, claim), str | None)


def seen(request: dict[str, str], **facts: Any) -> Observation:
    made = {"method": "GET", "scheme": "http", "path": "/", "query": "", "start": 1, **facts}
    return Observation(request_headers=list(request.items()), **made)


def test_the_first_header_that_names_somebody() -> None:
    """Headers are asked in the order of the list; one that is absent or yields nothing is passed over."""
    identifier = Identifier(IdentityOptions(authorization_headers=("X-Token", "Authorization", "x-gate")))
    others = {"authorization": f"Bearer {jwt(sub='second')}", "x-gate": jwt(sub="third")}

    for headers, user in (
        ({**others, "x-token": jwt(sub="first")}, "first"),
        ({**others, "x-token": "opaque"}, "second"),
        ({"x-gate": jwt(sub="third")}, "third"),
        ({"cookie": "a=b"}, None),
    ):
        facts = seen(headers)
        identifier.fill(facts)
        assert facts.user == user


def test_what_was_said_stays() -> None:
    """Response headers beat request headers, and what the app has said beats both."""
    told = [("Content-Type", "a/b"), ("X-Spantap-User", " told "), ("x-spantap-company", "acme")]
    request = {"authorization": f"Bearer {jwt(sub='token')}"}
    silent, loud = (seen(request, user=user, response_headers=list(told)) for user in (None, "said"))

    for each in (silent, loud):
        Identifier().fill(each)

    assert (silent.user, loud.user) == ("told", "said")
    assert (silent.company, loud.company, silent.device) == ("acme", "acme", None)
    assert silent.response_headers == loud.response_headers == told[:1]


def test_a_digest_groups_and_tells_nothing() -> None:
    """Two sessions differ, one is always the same, and its key is not in it."""
    assert digest_of("key-1") == digest_of("key-1") != digest_of("key-2")
    assert "key" not in digest_of("key-1")


PEER = "10.0.0.2"
XFF = "x-forwarded-for"
PLACES: dict[str, tuple[tuple[str, ...], str, str | None, dict[str, str], str | None]] = {
    "nobody is trusted": (("192.168.0.0/16",), XFF, PEER, {XFF: "6.6.6.6"}, PEER),
    "one hop": (("1",), XFF, PEER, {XFF: "6.6.6.6, 1.2.3.4"}, "1.2.3.4"),
    "two hops": (("2",), XFF, PEER, {XFF: "6.6.6.6, 1.2.3.4, 10.0.0.3"}, "1.2.3.4"),
    "fewer entries than hops": (("3",), XFF, PEER, {XFF: "1.2.3.4"}, "1.2.3.4"),
    "no hops": (("0",), XFF, PEER, {XFF: "6.6.6.6"}, PEER),
    "networks": (("10.0.0.0/8",), XFF, PEER, {XFF: "6.6.6.6, 1.2.3.4, 10.9.9.9"}, "1.2.3.4"),
    "all of them trusted": (("10.0.0.0/8",), XFF, PEER, {XFF: "10.7.7.7, 10.9.9.9"}, "10.7.7.7"),
    "garbage on the way": (("10.0.0.0/8",), XFF, PEER, {XFF: "1.2.3.4, unknown, 10.9.9.9"}, "10.9.9.9"),
    "garbage at once": (("1",), XFF, PEER, {XFF: "<script>"}, PEER),
    "a port": (("1",), XFF, PEER, {XFF: "1.2.3.4:5678"}, "1.2.3.4"),
    "IPv6 with a port": (("1",), XFF, PEER, {XFF: "[2001:db8::1]:80"}, "2001:db8::1"),
    "IPv6 of an IPv4": (("1",), XFF, PEER, {XFF: "::ffff:1.2.3.4"}, "1.2.3.4"),
    "a trusted IPv6 of an IPv4": (("10.0.0.0/8",), XFF, f"::ffff:{PEER}", {XFF: "1.2.3.4"}, "1.2.3.4"),
    "a Unix socket": (("unix",), XFF, None, {XFF: "6.6.6.6, 1.2.3.4"}, "1.2.3.4"),
    "a Unix socket that is not": (("10.0.0.0/8",), XFF, None, {XFF: "1.2.3.4"}, None),
    "hops from a Unix socket": (("1",), XFF, None, {XFF: "1.2.3.4"}, "1.2.3.4"),
    "the header nobody writes": (("1",), XFF, PEER, {FORWARDED: "for=6.6.6.6"}, PEER),
    "Forwarded": (("1",), FORWARDED, PEER, {FORWARDED: 'for=6.6.6.6,For="[2001::1]:4711"'}, "2001::1"),
    "Forwarded by nobody": (("1",), FORWARDED, PEER, {FORWARDED: "for=_hidden"}, PEER),
    "Forwarded without for": (("1",), FORWARDED, PEER, {FORWARDED: "proto=https"}, PEER),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_where_a_request_came_from(place: str) -> None:
    """A proxy's word counts as far as proxies are trusted, and no further; the peer stays known."""
    trusted, header, peer, headers, client = PLACES[place]
    facts = seen(headers, client_address=peer, client_port=1)

    TrustedProxies(trusted, header).place_client(facts)

    assert facts.client_address == client
    assert facts.peer_address == (None if client == peer else peer or "unix")


@given(st.text(), st.sampled_from([XFF, FORWARDED]))
def test_no_list_is_too_odd(text: str, header: str) -> None:
    """Nothing in these headers raises."""
    facts = seen({header: text}, client_address=PEER)

    TrustedProxies(("2",), header).place_client(facts)
