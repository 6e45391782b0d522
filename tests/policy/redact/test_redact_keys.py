"""Names: which are sensitive, which must stay visible."""

from __future__ import annotations

from hypothesis import example, given
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
consumerKey hmac pass_phrase user_passwd ftp_passwd db_password DB_PASSWORD PGPASSWORD
MYSQL_ROOT_PASSWORD REDIS_PASSWORD new_password newPassword new_password1 old_password
currentPassword confirm_password confirmPassword password2 repeat_password passwordHash
password_hash hashed_password encrypted_password password_digest password_reset_token
reset_password_token resetToken passwd_hash pwd_hash userPwd login_pwd PWD clientSecret
client-secret app_secret AppSecret consumer_secret webhook_secret signing_secret sharedSecret
shared_secret_key secretKey SECRET_KEY_BASE aws_secret_access_key AWS_SESSION_TOKEN secretAccessKey
secret_token accessToken access-token X-Access-Token auth_token authToken authenticity_token
bearerToken bearer_token refresh_token idToken device_token push_token fcm_token registration_token
invite_token verification_token confirmation_token unsubscribe_token magic_token upload_token
sas_token personal_access_token gitlab_token npmToken bot_token slack_token csrf_token _csrf
__RequestVerificationToken csrfToken X-CSRFToken api_key APIKEY x-api-key X-API-Key apikey
api-key-id google_api_key stripe_api_key subscription-key x-functions-key access_key accessKeyId
access_key_id AccountKey account_key SharedAccessKey SharedAccessSignature storageAccountKey
encryptionKey privateKey private_key_pem private_key_id ssh_private_key id_rsa sshKey
pgp_private_key tls_key license_key otp_code otpCode one_time_password one_time_code totp
totp_secret totpCode mfa mfa_token mfaCode mfa_secret two_factor_code twoFactorCode 2fa_code
tfa_code verificationCode sms_code smsCode email_code login_code backup_codes recoveryCodes
recovery_key PIN pin_code cardPin card_pin user_pin atm_pin pincode puk security_code securityCode
security_answer securityAnswer secret_answer unlock_code activation_code codeVerifier saml_response
SAMLRequest client_assertion saml_assertion authorization_code authorizationCode auth_code
oauth_verifier oauth_token_secret oauth_signature IBAN iban_number ibanCode accountNumber account_no
acct_number bank_account_number bankAccountNumber bank_account routing_number sort_code sortCode
cardNumber card-number cardno card_no cc_number ccNumber cc_num credit_card creditCardNumber
credit_card_number debitCard primary_account_number CVC cvc2 cvcCode card_cvc card_security_code
card_verification_value cvn csc magstripe track_data SSN ssn_last4 socialSecurityNumber sin_number
national_insurance_number nino national_id nationalId tax_id taxId DOB dateOfBirth birth_date
birthDate birthdate birthday passport_number passportNo driver_license driversLicense
drivers_license_number driving_licence identity_number aadhaar aadhar cpf curp nhs_number
medicare_number medical_record_number credit_score SESSIONID sessionid session_key sessionToken
ASP.NET_SessionId sid SID laravel_session _session_id user_session cookies Set-Cookie remember_token
Authorization Proxy-Authorization X-Forwarded-Authorization X-Auth-Token X-Goog-IAP-JWT-Assertion
jwt_token JWT credential user_credentials serviceAccountCredentials login_credentials basic_auth
http_auth signature x-hub-signature-256 Stripe-Signature X-Twilio-Signature x-slack-signature
connection_string mnemonic seed_phrase seedPhrase recovery_phrase wallet_seed private_seed keystore
keystore_password kubeconfig
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
user-agent traceparent author_name authored_at max_completion_tokens input_tokens output_tokens
cached_tokens reasoning_tokens tokens_used tokens_per_minute tokenizer_class tokenized tokenization
tokenomics secretary_name pinned_at is_pinned pinned_message pin_count shipping_address opinions
keyboard_layout session_type session_status session_duration card_type card_brand cards card_last4
last4 card_name card_id card_holder key_id foreign_key partition_key object_key translation_key
issue_key event_key passengers passed pass_count passing pass_rate passes encompass sha hash etag
checksum digest nonce status_code error_code country_code zip_code postal_code promo_code
coupon_code currency_code language_code code_review account account_id account_name account_type
accounts bank_name bank routing_key routes phone_number mobile email_verified username user_name
login login_count first_name last_name address city street birthplace birth_order born_in born_at
signed design_id designed_by assigned assignee assignment signatures_count signature_type
sign_in_count sign_in_url significant sigma auth_type auth_method auth_provider authenticated_at
authentication_type authorized authorized_at is_authorized authorization_url author_email
password_expires_at password_required password_strength password_enabled has_password
password_min_length forgot_password_url password_reset_url secret_name secret_count secret_type
secrets_count secret_version secret_scanning secret_scanning_push_protection token_expires_at
token_expires_in token_name token_endpoint token_url next_page_token nextPageToken
continuation_token pageToken cursor next_cursor sync_token has_session session_limit session_start
sessions_count cookie_policy cookies_enabled cookie_name tax tax_rate tax_amount tax_id_type taxable
pan panel panels span spans company companies expand japan desc discount cost consider iban_required
ssn_required mfa_enabled mfa_required otp_enabled two_factor_enabled pin_required has_mfa
mfa_methods license license_name license_url driver driver_name passport_control public_key_url
ssh_url ssh_host ssl_enabled created_at updated_at url version type count total limit offset page
sort order idempotency-key x-cache-key sec-websocket-key www-authenticate if-none-match
x-ratelimit-remaining-tokens ratelimit-limit-tokens api_version api_url key_count access_level
accessible accession private is_private public private_count encryption_enabled encryption_algorithm
credential_type credentials_count verification_status verified verification_url
"""
MUST_STAY_VISIBLE = _MUST_STAY_VISIBLE.split()


def test_a_sensitive_name_is_known_and_seen_by_the_prefilter() -> None:
    """What the names call sensitive, the prefilter never overlooks."""
    names, seen = SensitiveNames(), Prefilter()
    assert [each for each in SENSITIVE if each not in names] == []
    assert [each for each in SENSITIVE if not seen.anything(encode(f'{{"{each}":1}}'))] == []


def test_a_harmless_name_stays_visible() -> None:
    """Names of public APIs that only sound like secrets are left alone."""
    names = SensitiveNames()
    assert [each for each in MUST_STAY_VISIBLE if each in names] == []


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
@example("P0ASS")
@example("P:ASS")
@example("ap:ikey")
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
