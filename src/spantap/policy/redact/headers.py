"""Header fields: credentials by name, cookies by part, URLs by the URL rules, the rest by value."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from typing import Final

from spantap.policy.redact.form import looks_sensitive
from spantap.policy.redact.patterns import encode
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, URL_MASK, Tally
from spantap.policy.redact.url import clean_query, clean_url

_SCHEMES: Final = frozenset({
    "basic", "bearer", "digest", "negotiate", "ntlm", "token", "apikey", "hawk", "hoba", "mutual", "vapid",
    "oauth", "jwt", "key", "dpop", "gnap", "privatetoken", "signature", "aws", "aws4-hmac-sha256",
    "goog4-rsa-sha256", "sharedkey", "sharedkeylite", "scram-sha-1", "scram-sha-256", "splunk", "sso-key",
})  # fmt: skip
_URLS: Final = frozenset({
    "referer", "referrer", "location", "content-location", "origin", "destination", "sourcemap",
    "x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri", "x-forwarded-url",
    "x-request-uri", "x-envoy-original-path", "request-uri", "hx-current-url",
    "hx-redirect", "hx-location", "hx-push-url", ":path",
})  # fmt: skip
_QUERIES: Final = frozenset({"x-forwarded-query", "x-query-string", "x-original-query"})
# Names that hold a sensitive word and no secret, and ones that hold a secret and no such word.
_VISIBLE: Final = frozenset({
    "access-control-allow-credentials", "www-authenticate", "proxy-authenticate", "idempotency-key",
    "sec-websocket-key", "surrogate-key", "x-cache-key", "cache-key", "x-routing-key", "x-idempotency-key",
    "dpop-nonce", "authentication-results", "arc-authentication-results", "dkim-signature", "key",
})  # fmt: skip
_HIDDEN: Final = frozenset({
    "x-ms-client-principal", "x-amzn-oidc-data", "x-amzn-oidc-identity", "x-amzn-oidc-accesstoken",
    "x-forwarded-access-token", "x-forwarded-client-cert", "dpop", "x-sso", "x-saml", "sec-webauthn-response",
    "x-firebase-appcheck", "x-identity-header", "x-recaptcha-response", "x-plaid-verification",
})  # fmt: skip
_ATTRIBUTES: Final = frozenset({
    "expires", "max-age", "domain", "path", "secure", "httponly", "samesite", "partitioned", "priority",
    "version",
})  # fmt: skip
# Random digits, among which one in some hundred would pass for the number of a card (W3C Trace Context).
_TRACE: Final = "traceparent"
_TRACE_FORM: Final = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_PLAIN: Final = "plain"  # no rule by name; values that give themselves away are masked
_REMEMBERED: Final = 1024  # names come from strangers: neither many nor long ones may fill the memory
_LONGEST_NAME: Final = 64
NEXT_COOKIE = re.compile(r",\s*(?=[^\s=;,]+=)")


def plain_values(pairs: Iterable[tuple[str, str]], rules: Rules) -> list[str]:
    """The values no rule by name is for."""
    known = rules.header_kinds.get
    return [
        value for name, value in pairs if (known(name) or known(name.lower()) or _kind(name, rules)) is _PLAIN
    ]


def clean_headers(
    pairs: Iterable[tuple[str, str]], rules: Rules, tally: Tally, *, quiet: bool = False
) -> list[tuple[str, str]]:
    """Every field line, its name lower-case, its value clean; none is left out.

    Args:
        pairs: the field lines.
        rules: what is sensitive.
        tally: counts what is masked.
        quiet: a look at the `plain_values` has found nothing already.
    """
    known = rules.header_kinds
    lines = []
    plain = []
    for name, value in pairs:
        kind = known.get(name)
        if kind is None:
            name = name.strip().lower()
            kind = known.get(name) or _classified(name, rules)
        if value and value != MASK:
            if kind is _PLAIN:
                plain.append(value)
            else:
                value = _clean(kind, value, rules, tally)
        lines.append((name, value))
    # One look at all plain values together; most requests have nothing outside the others.
    if plain and not quiet and looks_sensitive("\n".join(plain), rules):
        lines = [(name, _clean_plain(name, value, rules, tally)) for name, value in lines]
    return lines


def _kind(name: str, rules: Rules) -> str:
    """How the values of a name are treated, in whatever case it is written."""
    name = name.strip().lower()
    return rules.header_kinds.get(name) or _classified(name, rules)


def _classified(name: str, rules: Rules) -> str:
    """How the values of a lower-case name are treated; remembered, within bounds."""
    if rules.hidden_headers is not None and rules.hidden_headers.search(name):
        kind = "credential"
    elif name in ("cookie", "set-cookie"):
        kind = name
    elif name not in _VISIBLE and (name in rules.names or name in _HIDDEN or name.endswith("-key")):
        kind = "authorization" if "authori" in name else "credential"
    elif name in _URLS:
        kind = "url"
    elif name in _QUERIES:
        kind = "query"
    elif name == _TRACE:
        kind = _TRACE
    else:
        kind = _PLAIN
    if len(rules.header_kinds) < _REMEMBERED and len(name) <= _LONGEST_NAME:
        rules.header_kinds[name] = kind
    return kind


def _clean(kind: str, value: str, rules: Rules, tally: Tally) -> str:
    if kind == "cookie":
        return ";".join(clean_cookie(each, tally) for each in value.split(";"))
    if kind == "set-cookie":
        return ", ".join(_set_cookie(each, rules, tally) for each in NEXT_COOKIE.split(value))
    if kind == "url":
        return clean_url(value, rules, tally)
    if kind == "query":
        return clean_query(value, rules, tally)
    if kind == _TRACE:
        return value if _TRACE_FORM.fullmatch(value) else rules.value(value, tally, 0, MASK)
    return _credential(kind, value, tally)


def _clean_plain(name: str, value: str, rules: Rules, tally: Tally) -> str:
    if not value or (rules.header_kinds.get(name) or _classified(name, rules)) is not _PLAIN:
        return value
    if name == "sec-websocket-protocol" and rules.prefilter.names.search(encode(value)):
        # Browsers cannot set headers on a websocket, so apps pass tokens as a "protocol".
        tally.add("header", value)
        return MASK
    return rules.value(value, tally, 0, MASK)


def _password(basic: str) -> str:
    """What stands behind the user's name in a credential of RFC 7617; empty when it is none."""
    try:
        return binascii.a2b_base64(basic.strip() + "==").decode("utf-8", "replace").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _credential(kind: str, value: str, tally: Tally) -> str:
    scheme, space, rest = value.partition(" ")
    if scheme.lower() == "basic":
        tally.remember(_password(rest))
    if space and kind == "authorization" and scheme.lower() in _SCHEMES:
        if rest != MASK:
            tally.add("header", rest.strip())
        return f"{scheme} {MASK}"
    tally.add("header", value)
    return MASK


def clean_cookie(part: str, tally: Tally) -> str:
    """One ``name=value``; a value without a name is all value."""
    name, equals, value = part.partition("=")
    if "," in name:  # two Cookie lines as WSGI servers join them, the first without a name
        name = f"{MASK},{name.rpartition(',')[2]}"
    secret = value if equals else name
    if secret.strip() in ("", MASK, URL_MASK):
        return part
    tally.add("cookie", secret.strip())
    if equals:
        return f"{name}={MASK}"
    return (" " if part.startswith(" ") else "") + MASK


def _set_cookie(line: str, rules: Rules, tally: Tally) -> str:
    cookie, semicolon, attributes = line.partition(";")
    return clean_cookie(cookie, tally) + semicolon + clean_attributes(attributes, rules, tally)


def clean_attributes(attributes: str, rules: Rules, tally: Tally) -> str:
    """What stands behind a cookie that is set; an attribute nobody knows is a cookie, too."""
    if not attributes:
        return attributes
    done = []
    for attribute in attributes.split(";"):
        name = attribute.partition("=")[0].strip().lower()
        known = not name or name in _ATTRIBUTES
        done.append(rules.value(attribute, tally, 0, MASK) if known else clean_cookie(attribute, tally))
    return ";".join(done)
