"""Names: which are sensitive, which must stay visible."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantap.policy.redact.keys import SensitiveNames, squashed
from spantap.policy.redact.patterns import encode
from spantap.policy.redact.prefilter import Prefilter

_SENSITIVE = """
userPassword X-Api-Key card_number password PASSWD pwd Passwort contraseña Пароль passphrase
passcode PaSsWoRd password_confirmation mysql_pwd password1 user[password] db_pass userpass pass
token tokens access_token refreshToken id_token session_token apiKey api_secret client_secret secret
secrets secret_id authorization Authorisation Auth auth credentials creds private_key ssh_key
encryption-key sessionId session session_id cookie creditCard cardnumber card.number cvv cvv2 cvc
ssn social_security_number otp mfa_code 2fa pin pinCode userPIN code_verifier SAMLResponse assertion
iban account_number routingNumber dob date_of_birth passport passportNumber drivers_license
AWSAccessKeyId X-Amz-Signature X-Amz-Credential X-Amz-Security-Token X-Goog-Signature Signature sig
connect.sid PHPSESSID JSESSIONID csrfmiddlewaretoken XSRF-TOKEN oauth_token X-Vault-Token
Ocp-Apim-Subscription-Key jwt bearer connectionString verification_code recovery_codes master_key
consumerKey hmac
"""
FRAGMENTS = [
    "pass",
    "Pass",
    "word",
    "pin",
    "PIN",
    "api",
    "Key",
    "card",
    "no",
    "s",
    "1",
    "_",
    "-",
    ".",
    "X",
    "user",
    "\u017f",
    "\uff4b",
]
SENSITIVE = _SENSITIVE.split()

# Whoever adds a family runs into these: names people want to see.
_MUST_STAY_VISIBLE = """
author authors coauthor author_id authority authored token_count max_tokens total_tokens
prompt_tokens completion_tokens token_type tokenizer passport_photo_size keyboard monkey key keys
primary_key public_key cache_key sort_key session_count session_title pinned pinning shipping
compass compassWidth bypass bypass_cache passenger passage passive secretary secretariat opinion
spinning expires_in title description id user_id email phone name zip code state country card cc
signal design assign designed tank distance side inside website sidebar resident president usage
password_changed_at cookie_consent oauth_provider signature_method password_policy authenticated
classpath keynote donkey turkey hockey sid_count accept status message x-request-id content-type
user-agent traceparent
"""
MUST_STAY_VISIBLE = _MUST_STAY_VISIBLE.split()


@pytest.mark.parametrize("name", SENSITIVE)
def test_a_sensitive_name_is_known_and_seen_by_the_prefilter(name: str) -> None:
    """What the names call sensitive, the prefilter never overlooks."""
    assert name in SensitiveNames()
    assert Prefilter().anything(encode(f'{{"{name}":1}}'))


@pytest.mark.parametrize("name", MUST_STAY_VISIBLE)
def test_a_harmless_name_stays_visible(name: str) -> None:
    """Names that only sound like secrets are left alone."""
    assert name not in SensitiveNames()


@given(
    st.sampled_from(
        ["api key", "access token", "card number", "pass word", "session id", "pin code", "user pin"]
    ),
    st.sampled_from(["", "-", "_", ".", " ", "__", "[", "/"]),
    st.sampled_from([str.lower, str.upper, str.title, str.capitalize]),
    st.sampled_from(["", "x_", "my-", "the ", "new."]),
)
def test_separators_and_case_hide_nothing(name: str, separator: str, case: object, before: str) -> None:
    """However its words are joined, a name is the same name, for the judge and the prefilter alike."""
    if not separator and name == "user pin":
        return  # one word nobody can split
    spelt = before + case(name).replace(" ", separator)  # type: ignore[operator]
    assert spelt in SensitiveNames()
    assert Prefilter().anything(encode(f'{{"a":1,"{spelt}":2}}'))


PREFILTER = Prefilter()


@given(st.text(max_size=40) | st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join))
def test_the_prefilter_sees_every_name_the_judge_calls_sensitive(name: str) -> None:
    """Any text at all: sensitive implies seen."""
    if name in SensitiveNames():
        assert PREFILTER.anything_spelt(encode(name))


def test_extra_names_count_whole_and_as_words_of_longer_names() -> None:
    """The user's names work like ours, in the judge and in the prefilter."""
    names = SensitiveNames(["internal code", "Größe"])
    seen = Prefilter(map(squashed, ["internal code", "Größe"]))
    for name in ("internalCode", "INTERNAL_CODE", "user_internal_code", "internalcode", "größe", "GRÖßE"):
        assert name in names, name
        assert seen.anything(encode(name)), name
    assert "internal" not in names
    assert "code" not in names


def test_kept_names_stay_visible_and_take_nothing_else_along() -> None:
    """A kept name is that name only."""
    names = SensitiveNames(kept=["token"])
    assert "Token" not in names
    assert "access_token" in names


def test_remembered_verdicts_are_bounded() -> None:
    """Names from strangers cannot fill the memory."""
    names = SensitiveNames()
    for number in range(6000):
        assert f"field_{number}" not in names
    assert "x" * 5000 not in names
    assert len(names.verdicts) <= 4096
    assert all(len(name) <= 256 for name in names.verdicts)


def test_a_very_long_name_does_not_hide_a_stem() -> None:
    """Padding a name does not make it harmless."""
    assert "x" * 300 + "_password" in SensitiveNames()
    assert "password_" + "count" * 80 in SensitiveNames()
