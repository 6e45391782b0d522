"""The names secrets go by: the data behind `keys` (which decides) and `prefilter` (which looks).

A ``-`` inside an entry marks where a separator may stand in the wild (``api-key`` is also
``api_key``, ``api.key``, ``api key``, ``apiKey`` and ``apikey``).
"""

from __future__ import annotations

from typing import Final

# Distinctive enough to count wherever they occur, even glued to other letters: ``dbpassword2``.
ANYWHERE: Final = (
    "pass-word", "pass-wd", "pass-wrd", "pass-phrase", "pass-code", "pass-wort", "passkey", "pswd", "pwd",
    "secret", "token", "credential", "jwt", "csrf", "xsrf", "authorization", "authorisation",
    "api-key", "access-key", "private-key", "encryption-key", "decryption-key", "signing-key", "ssh-key",
    "auth-key", "credit-card", "debit-card", "card-number", "social-security", "session-id", "sess-id",
    "security-code", "verification-code", "authorization-code", "one-time-code", "code-verifier",
    "account-number", "routing-number", "date-of-birth", "saml-response", "saml-request",
    "connection-string", "national-insurance", "kenn-wort", "wacht-woord", "mot-de-passe", "senha",
    "contrasena", "contraseña", "passwört",
    "lösenord", "hasło", "пароль", "секрет", "密码", "密碼", "口令", "パスワード", "비밀번호", "暗証番号",
    "passord", "adgangskode", "salasana", "jelszó", "parola-chiave", "kata-sandi", "mật-khẩu", "şifre",
    "κωδικός-πρόσβασης", "סיסמה", "סיסמא", "كلمة-المرور", "كلمة-السر", "رمز-عبور", "पासवर्ड", "รหัสผ่าน",
)  # fmt: skip

# Too short or too common to count inside another word: whole words, or a run of whole words.
WORDS: Final = (
    "pass", "pw", "psw", "mdp", "creds", "cred", "auth", "oauth", "o-auth", "bearer", "authentication",
    "otp", "totp", "hotp", "mfa", "2fa", "tfa", "pin", "pin-code", "sid", "cookie", "set-cookie",
    "cvv", "cvc", "ccv", "csc", "cvn", "cc-number", "cc-num", "cc-no", "cc-exp", "cc-cvv", "ccnum", "card-no",
    "card-num", "card-code", "card-pin", "card-pan", "pan-number", "primary-account-number",
    "ssn", "social-sec", "iban", "dob", "birth-date", "birthday", "passport-number", "passport-no",
    "passport-num", "passport-id", "driver-license", "drivers-license", "driver-licence", "drivers-licence",
    "national-id", "tax-id", "acct-no", "acct-number", "account-no", "account-num", "bank-account",
    "sort-code", "signature", "sig", "hmac", "assertion", "session-key", "session-data", "session-cookie",
    "session-hash", "session-uuid", "user-session", "sess", "recovery-code", "backup-code", "auth-code",
    "access-code", "reset-code", "sms-code", "device-code", "mfa-code", "haslo", "losenord",
    "oob-code", "saml-art", "heslo", "jelszo", "sifre", "mat-khau",
    "app-key", "application-key", "master-key", "client-key", "shared-key", "account-key", "storage-key",
    "session-key", "hmac-key", "aes-key", "rsa-key", "pgp-key", "gpg-key", "crypto-key", "cipher-key",
    "sign-key", "license-key", "licence-key", "service-key", "server-key", "webhook-key", "subscription-key",
    "integration-key", "consumer-key", "functions-key", "function-key", "admin-key", "root-key",
    "deploy-key", "ssl-key", "tls-key", "pre-shared-key", "psk", "wep-key", "wpa-key", "security-key",
    "recovery-key", "service-account-key", "host-key", "user-key",
    "user-pass", "db-pass", "my-pass", "ftp-pass", "smtp-pass", "root-pass", "admin-pass", "login-pass",
    "mail-pass", "ldap-pass", "proxy-pass", "wifi-pass", "http-pass", "ssh-pass", "key-pass", "store-pass",
    "redis-pass", "database-pass", "new-pass", "old-pass", "mysql-pass", "pg-pass",
    "two-factor-code", "email-code", "login-code", "unlock-code", "activation-code", "puk", "security-answer",
    "card-verification", "card-exp", "magstripe", "mag-stripe", "track-data",
    "sin-number", "nino", "driving-license", "driving-licence", "identity-number", "id-card-number",
    "aadhaar", "aadhar", "cpf", "curp", "nhs-number", "medicare-number", "medical-record-number",
    "credit-score", "mnemonic", "seed-phrase", "recovery-phrase", "wallet-seed",
    "private-seed", "keystore", "kubeconfig", "id-rsa", "id-ed25519",
)  # fmt: skip

# Count as the last word only: ``user_session`` holds one, ``session_title`` is about one.
LAST: Final = ("session", "passport")

# A name that ends so says something *about* a secret (``token_count``, ``password_changed_at``).
ABOUT: Final = frozenset({
    "count", "counts", "size", "length", "len", "limit", "limits", "max", "min", "maximum", "minimum",
    "total", "type", "types", "expires", "expiry", "expiration", "in", "at", "on", "until", "ttl", "lifetime",
    "policy", "strength", "required", "enabled", "disabled", "supported", "url", "uri", "endpoint", "status",
    "version", "usage", "used", "budget", "rate", "cost", "price", "duration", "timeout", "index", "age",
    "alg", "algorithm", "method", "methods", "field", "fields", "label", "placeholder", "name", "names",
    "brand", "network", "consent", "banner", "preferences", "provider", "providers", "title", "details",
    "per", "second", "seconds", "minute", "minutes", "hours", "days",
    "mode", "format", "scheme", "realm", "level", "domain", "path",
    "ref", "refs", "check", "checks", "company", "error", "errors", "exception", "warning",
})  # fmt: skip

# A name that begins so asks a question about a secret (``has_password``, ``isToken``).
ASKS: Final = frozenset({"has", "is", "needs", "requires", "require", "show", "hide", "enable", "disable"})

# ``max_tokens``, ``prompt_tokens``: tokens that are counted, not held.
COUNTED: Final = frozenset({
    "max", "min", "total", "prompt", "completion", "input", "output", "cached", "cache", "reasoning", "num",
    "n", "remaining", "limit", "used", "count", "audio", "text", "image", "thinking", "budget", "ratelimit",
    "reset", "generated", "predicted", "prediction", "per", "number",
})  # fmt: skip

# Words that contain an ``ANYWHERE`` stem and have nothing to do with it.
INNOCENT: Final = (
    "secretar", "secretion", "tokeniz", "tokenis", "tokenomics", "allowcredentials", "secretscanning",
    "pagetoken", "nexttoken", "continuationtoken", "paginationtoken", "synctoken",
)  # fmt: skip
