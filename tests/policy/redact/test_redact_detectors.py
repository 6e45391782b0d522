"""Values that give themselves away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantap.policy.redact.detectors import find, is_card, is_iban
from spantap.policy.redact.prefilter import Prefilter

value_in = Prefilter().value_in
HEX = "0123456789abcdef" * 4
A = "A1b2C3d4E5f6G7h8J9k0L1m2N3p4Q5r6S7t8"

# rule, an example, a near miss
TABLE = [
    ("card", "4111111111111111", "4111111111111112"),
    ("card", "4222222222222", "1700000000000"),
    ("card", "5500 0000 0000 0004", "5500 0000 0000 0005"),
    ("card", "3782-822463-10005", "0.4111111111111111"),
    ("card", "6304000000000000000", "63040000000000000000"),
    ("card", "4111\u00a01111\u00a01111\u00a01111", "+4222222222222"),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJhbGciOiJIUzI1NiJ9"),
    ("bearer", "Bearer abc123def456", "bearer instruments"),
    ("bearer", "Basic dXNlcjpwYXNz", "basic authentication required"),
    ("bearer", "bearer  mF_9.B5f-4.1JqM", 'Bearer realm="api"'),
    (
        "private_key",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----",
    ),
    ("private_key", "-----BEGIN PRIVATE KEY-----\\nMIIE cut off", "-----BEGIN PUBLIC KEY-----"),
    ("aws", "AKIAIOSFODNN7EXAMPLE", "AKIAshort"),
    ("aws", "ASIAIOSFODNN7EXAMPLE", "ASIA and Africa"),
    ("github", "ghp_" + A, "ghp_short"),
    ("github", "github_pat_11ABCDEFG0abcdefghijkl", "github_pattern"),
    ("stripe", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "sk_live_"),
    ("stripe", "rk_live_4eC39HqLyjWDarjtT1zdp7dc", "pk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    ("stripe", "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "risk_test_results"),
    ("google", "AIza" + A[:35], "AIzashort"),
    ("slack", "xoxb-123456789012-abcdef", "xox"),
    ("slack", "https://hooks.slack.com/services/T000/B000/XXXX", "https://slack.com/services/T000/B000"),
    ("npm", "npm_" + A, "npm_config_registry"),
    ("pypi", "pypi-AgEIcHlwaS5vcmcCJDE", "pypi-server"),
    ("gitlab", "glpat-abcdefghij0123456789", "glpat-x"),
    ("huggingface", "hf_" + A[:34], "hf_hub_download"),
    ("anthropic", "sk-ant-api03-abcdefghijklmnop", "sk-ant-x"),
    ("openai", "sk-proj-abcdefghijklmnopqrstuv", "sk-project"),
    ("azure", "abc8Q~" + A[:34], "abc8Q~short"),
    ("azure", (A + A)[:52] + "JQQJ99" + A[:26], "JQQJ99" + A[:26]),
    ("google", "1//0" + A + A, "1//0short"),
    ("digitalocean", "dop_v1_" + HEX, "dop_v1_abc"),
    ("twilio", "SK" + HEX[:32], "TASK" + HEX[:32]),
    ("mailgun", "key-" + HEX[:32], "cache-key-" + HEX[:32]),
    ("telegram", "123456789:AA" + A[:33], "12:34:AA"),
    ("discord", "MTEx" + A[:20] + ".GabcDE." + A[:30], "NOTES.md.is.no.token"),
    ("discord", "https://discord.com/api/webhooks/111/" + A, "https://discord.com/api/webhooks"),
    ("atlassian", "ATATT3xFf" + A, "ATATT3x"),
    ("vault", "hvs." + A, "hvs.short"),
    ("square", "sq0atp-" + A[:22], "sq0atp-"),
    ("docker", "dckr_pat_" + A[:27], "dckr_pat_"),
    ("postman", f"PMAK-{HEX[:24]}-{HEX[:34]}", "PMAK-short"),
    ("newrelic", "NRAK-ABCDEFGHIJKLMNOPQRSTUVWXY01", "NRAK-"),
    ("linear", "lin_api_" + A, "lin_api_x"),
    ("sentry", "sntrys_" + A + A, "sntrys_"),
    ("brevo", "xkeysib-" + HEX, "xkeysib-x"),
    ("planetscale", "pscale_tkn_" + A, "pscale_tkn_x"),
    ("rubygems", "rubygems_" + HEX[:48], "rubygems_x"),
    (
        "age",
        "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" + "QPZRY9X8GF2TVDW0S3JN54KHCE",
        "AGE-SECRET",
    ),
    ("ssn", "078-05-1120", "000-12-3456"),
    ("ssn", "899-99-9999", "900-12-3456"),
    ("ssn", "ssn 123-45-6789.", "666-12-3456"),
    ("ssn", "123-45-6789", "123-00-6789"),
    ("ssn", "123-45-6789", "123-45-0000"),
    ("ssn", "123-45-6789", "2123-45-67890"),
    ("iban", "DE89370400440532013000", "DE89370400440532013001"),
    ("iban", "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234"),
]


def spans(text: str) -> list[tuple[str, str]]:
    data = text.encode()
    return [(data[start:end].decode(), rule) for start, end, rule in find(data)]


@pytest.mark.parametrize(("rule", "example", "miss"), TABLE)
def test_each_detector_knows_its_example_and_leaves_its_near_miss(rule: str, example: str, miss: str) -> None:
    """One example is found anywhere in a text; what merely resembles it is not."""
    for text in (example, f"x: {example}", f"a\\n{example}"):
        assert [found for _, found in spans(text)] == [rule], text
        assert value_in(text.encode())
    assert spans(miss) == []


@pytest.mark.parametrize(
    "text",
    [
        "pay 4111 1111 1111 1111 12/27 123",
        "4111111111111111 123",
        "%B4111111111111111^DOE/JOHN^2512",
        "card_4111111111111111x",
        "1234 4111 1111 1111 1111",
    ],
)
def test_a_card_is_found_among_other_digits(text: str) -> None:
    """Digits before or after a card number do not hide it."""
    assert any("4111" in value for value, rule in spans(text) if rule == "card")


def test_columns_of_small_numbers_are_no_cards() -> None:
    """Numbers of one or two digits are not tried in every combination."""
    assert spans(" ".join(["4", "5", "11"] * 500)) == []


def test_iban_lower_level() -> None:
    """Country, length and check digits all count."""
    assert is_iban("NO9386011117947")
    assert not is_iban("XX9386011117947")
    assert not is_iban("")


@given(st.text(alphabet="0123456789", min_size=14, max_size=18), st.sampled_from("56"))
def test_exactly_one_check_digit_makes_a_card(body: str, first: str) -> None:
    """Of ten numbers that differ in the last digit, Luhn accepts one."""
    digits = (first + body)[:18]
    assert sum(is_card(digits + check) for check in "0123456789") == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_searched_without_error(data: bytes) -> None:
    """No input raises, and what is found was suspected."""
    if find(data):
        assert value_in(data)


def test_a_private_key_is_one_place_up_to_its_last_line() -> None:
    """What is passed over does not begin inside of a key; without an end it goes on to that of the text."""
    prefilter = Prefilter()
    key = b"-----BEGIN RSA PRIVATE KEY-----\nMI token AKIAABCDEFGHIJKLMNOP\n-----END RSA PRIVATE KEY-----"
    assert prefilter.places(b"a " + key + b" b token") == [(2, 2 + len(key)), (len(key) + 5, len(key) + 10)]
    assert prefilter.places(b"a " + key[:-9] + b" b") == [(2, 2 + len(key) - 9 + 2)]
    touched = prefilter.touched(b"a " + key)
    assert touched is not None
    assert touched[0] == (2, 2 + key.index(b"KEY") + 3)
