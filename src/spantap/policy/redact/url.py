"""URLs and URL references: user information, query, path parameters, fragment."""

from __future__ import annotations

import re
from typing import Final

from spantap.policy.redact.detectors import find
from spantap.policy.redact.form import clean_pairs, looks_sensitive
from spantap.policy.redact.patterns import decode, encode
from spantap.policy.redact.ruled import Ruled
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, URL_MASK, Tally

# Browsers take a backslash for a slash, and JSON writes \/ for one.
_AUTHORITY = re.compile(
    r"(?:[^/?#\\]*:)?\\*[/\\]{2,}(?=[^/\\])|\s*(?:https?|wss?|ftp):[/\\](?=[^/\\])", re.IGNORECASE
)
# user:password@host, no scheme; mailto:ann@example.com is none.
_BARE_USER = re.compile(
    r"(?!(?:mailto|sips?|xmpp|acct|im|urn|tel|data):)[^/?#:@]+:[^/?#@]*(?=@)", re.IGNORECASE
)
# /proxy/http://user:password@host/, encoded, too
_USER_INSIDE = re.compile(r"(:/{1,2}|%3A(?:%2F){1,2})((?:(?!%2F|%40)[^/@])+)(?=@|%40)", re.IGNORECASE)
_PORT = re.compile(r"[^:@]*(?::\d*)?$|\[[^\]]*\](?::\d*)?$")
_HIDDEN_USER: Final = f"{URL_MASK}:{URL_MASK}"


def clean_query(
    query: str,
    rules: Rules,
    tally: Tally,
    depth: int = 0,
    *,
    quiet: bool = False,
    ruled: Ruled | None = None,
) -> str:
    """A query string (no ``?``) with sensitive values replaced by ``REDACTED``."""
    return clean_pairs(query, rules, tally, depth, URL_MASK, "query", quiet=quiet, ruled=ruled)


def clean_path(path: str, rules: Rules, tally: Tally) -> str:
    """A path: values that give themselves away, parameters such as ``;jsessionid=``, URLs in it."""
    if ("@" in path or "%40" in path) and (":/" in path or "%2" in path):
        for _, user in _USER_INSIDE.findall(path):
            tally.add("userinfo", user.split(":", 1))
        path = _USER_INSIDE.sub(rf"\1{_HIDDEN_USER}", path)
    if "=" in path:
        path = "/".join(
            ";".join([_parameter(part, rules, tally) for part in segment.split(";")])
            for segment in path.split("/")
        )
    return clean_values(path, rules, tally, URL_MASK)


def clean_url(url: str, rules: Rules, tally: Tally, depth: int = 0) -> str:
    """A URL or URL reference; the same text when nothing is masked."""
    ruled = rules.ruled
    if not (looks_sensitive(url, rules) or "code" in url or "@" in url) and (ruled is None or "?" not in url):
        return url
    prefix, rest = _user_hidden(url, tally)
    rest, hash_, fragment = rest.partition("#")
    path, mark, query = rest.partition("?")
    path = clean_path(path, rules, tally)
    query = clean_query(query, rules, tally, depth, ruled=ruled)
    if fragment:
        # Implicit-flow tokens (#access_token=..) and routes of single-page apps (#/path?token=..).
        route, inner, pairs = fragment.rpartition("?")
        if "=" in route:
            route = clean_query(route, rules, tally, depth, ruled=ruled)
        fragment = route + inner + clean_query(pairs, rules, tally, depth, ruled=ruled if inner else None)
    return f"{prefix}{path}{mark}{query}{hash_}{fragment}"


def clean_values(text: str, rules: Rules, tally: Tally, mask: str) -> str:
    """Text with every value masked that a detector knows."""
    data = encode(text)
    if not rules.prefilter.value_in(data):
        return text
    pieces, at = [], 0
    for start, end, rule in find(data, rules.prefilter.optional):
        tally.add(rule, decode(data[start:end]))
        pieces += [data[at:start], mask.encode()]
        at = end
    return decode(b"".join([*pieces, data[at:]])) if pieces else text


def _user_hidden(url: str, tally: Tally) -> tuple[str, str]:
    """Scheme and authority with ``user:password@`` replaced, and what follows them."""
    found = _AUTHORITY.match(url)
    if found is None:
        found = _BARE_USER.match(url)
        if found is None or found[0] == _HIDDEN_USER:
            return "", url
        tally.add("userinfo", found[0].split(":", 1))
        return _HIDDEN_USER, url[found.end() :]
    start = found.end()
    ends = [at for at in (url.find(mark, start) for mark in "/?#\\") if at >= 0]
    end = min(ends, default=len(url))
    if "@" not in url[start:end] and not _PORT.match(url[start:end]):
        # host:port it is not: a password with a raw slash, question mark or hash sign in it.
        end = max(end, url.rfind("@") + 1)
    user, at, host = url[start:end].rpartition("@")
    end -= len(host) - len(host.partition(";")[0])  # parameters belong to the path
    if not at or user == _HIDDEN_USER:
        return url[:end], url[end:]
    tally.add("userinfo", user.split(":", 1))
    return f"{url[:start]}{_HIDDEN_USER}@{host.partition(';')[0]}", url[end:]


def _parameter(parameter: str, rules: Rules, tally: Tally) -> str:
    name, equals, value = parameter.partition("=")
    if not equals or name not in rules.names or value in ("", MASK, URL_MASK):
        return parameter
    tally.add("query", value)
    return f"{name}={URL_MASK}"
