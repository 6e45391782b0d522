"""Hashes: the same for the same value, on every version of Python, and never the value itself."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spantap.policy.redact import Redactor, Tally
from spantap.policy.redact.hashing import Hasher, canonical_address, host_of
from spantap.policy.redact.user_rules import parse_rules

LOOPBACK = "8d37cca2670502dd348ca1a1713b34e09a8189104ab7e30e19e954e25d7a89a9"
BEARER = "fbe47ec4c3383df5c116ffd81b4215e79271638d4b71e4e0ce607bdb8f29b92c"
HASHER = Hasher(lambda: b"s3cr3t")


def test_known_hashes() -> None:
    """HMAC-SHA256 of the UTF-8 of the value under the UTF-8 of the key, in lower-case hexadecimal digits."""
    assert HASHER.hashed("127.0.0.1", Tally()) == HASHER.address(" 127.0.0.1 ", Tally()) == LOOPBACK
    assert HASHER.hashed("Bearer abc", Tally()) == BEARER
    assert Hasher("schlüssel".encode).hashed("größe\ud800", Tally()) != BEARER


@pytest.mark.parametrize(
    ("spelt", "canonical"),
    [
        ("127.0.0.1", "127.0.0.1"),
        (" 10.0.0.1\t", "10.0.0.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[::1]", "::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::FFFF:102:304", "1.2.3.4"),
        ("::1.2.3.4", "::102:304"),
        ("unix:", "unix:"),
        ("Not An Address ", "Not An Address "),
        ("127.000.000.001", "127.000.000.001"),
        ("", ""),
    ],
)
def test_an_address_has_one_form(spelt: str, canonical: str) -> None:
    """However a server writes it; IPv4 in IPv6 clothes is IPv4; what is no address stays as it is."""
    assert canonical_address(spelt) == canonical


def test_ports_of_proxies_do_not_matter() -> None:
    """What some write behind an address is not part of it."""
    assert [host_of(each) for each in ("1.2.3.4:80", "[::1]:80", "::1", " 1.2.3.4")] == [
        "1.2.3.4", "::1", "::1", "1.2.3.4"
    ]  # fmt: skip


def test_addresses_in_headers_are_hashed_like_the_client_s() -> None:
    """What proxies say of the client does not tell what the hash hides."""
    redactor = Redactor(hasher=HASHER, hashes=["client.address"])
    request, _ = redactor.of("/", None)
    pairs = [
        ("X-Forwarded-For", "127.0.0.1:99, ::ffff:127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("a", "b"),
    ]

    shown = [("x-forwarded-for", f"{LOOPBACK}, {LOOPBACK}"), ("forwarded", "[REDACTED]"), ("a", "b")]
    assert request.header_pairs(pairs, Tally()) == shown
    assert redactor.header_pairs(pairs, Tally()) == shown
    assert redactor.address("127.0.0.1", Tally()) == LOOPBACK
    assert redactor.address(None, Tally()) is None
    assert redactor.address("", Tally()) == ""


def test_without_a_key_values_are_masked() -> None:
    """Until the key is there, nothing is shown, and it is counted."""
    tally = Tally()
    redactor = Redactor(
        rules=parse_rules("body $.a hash; query a hash; header a hash"),
        hasher=Hasher(lambda: None),
        hashes=["user", "client.address"],
    )
    request, _ = redactor.of("/", None)

    assert request.body('{"a": "v"}', "application/json", tally) == '{"a":"[REDACTED]"}'
    assert request.query("a=v", tally) == "a=REDACTED"
    assert request.header_pairs([("a", "v")], tally) == [("a", "[REDACTED]")]
    assert redactor.address("127.0.0.1", tally) == redactor.hashed("alice", tally) == "[REDACTED]"
    assert tally.counts["hash_key_missing"] == 5
    assert tally.hashes == set()


def test_the_key_shows_nowhere() -> None:
    """Neither the hasher nor the redactor tells it."""
    assert "s3cr3t" not in repr(HASHER) + repr(Redactor(hasher=HASHER))


# Our own mark is not hashed.
@given(st.lists(st.text(max_size=8).filter(lambda each: each != "REDACTED"), min_size=1, max_size=8))
@example(["user 612"])  # a card number, to all appearances, is in its hash
def test_no_detector_takes_a_hash_for_a_secret(values: list[str]) -> None:
    """A hash may look like a card number in part; it comes out whole all the same."""
    tally = Tally()
    redactor, _ = Redactor(rules=parse_rules("body $.v hash"), hasher=HASHER).of("/", None)
    card = "4111111111111111"
    clean = redactor.body(orjson.dumps({"v": [*values, card], "w": card}, default=str).decode(), "", tally)

    assert clean is not None
    shown = orjson.loads(clean)
    assert shown["v"] == [HASHER.hashed(each, Tally()) if each else each for each in (*values, card)]
    assert shown["w"] == "[REDACTED]"
