"""Values that give themselves away, whatever name they stand under.

Each is found by a linear-time pattern and, where a shape alone would raise false alarms, is
confirmed: card numbers by issuer range and Luhn, IBANs by country, length and mod 97, American
social security numbers by the ranges that are given out.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from spantap.policy.redact.patterns import WORD_START, Pattern, compile_bytes
from spantap.policy.redact.wrapped import BEGINNINGS


class Found(NamedTuple):
    """A sensitive value in a text: its place and the rule that knew it."""

    start: int
    end: int
    rule: str


_URL_SAFE: Final = "[A-Za-z0-9_-]"
_PEM_LABEL: Final = "[A-Z0-9 ]{0,32}PRIVATE KEY"

# Rule -> pattern of the value.
_SHAPES: Final = (
    ("jwt", rf"eyJ{_URL_SAFE}{{6,}}\.{_URL_SAFE}{{4,}}(?:\.{_URL_SAFE}*){{0,3}}"),
    ("private_key", rf"(?s:-----BEGIN {_PEM_LABEL}(?:.*?-----END {_PEM_LABEL}[A-Z ]{{0,16}}-----|.*))"),
    ("aws", r"(?:AKIA|ASIA)[A-Z0-9]{16}"),
    ("github", r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"),
    ("stripe", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{20,}"),
    (
        "google",
        rf"AIza{_URL_SAFE}{{35}}|ya29\.{_URL_SAFE}{{20,}}|GOCSPX-{_URL_SAFE}{{20,}}|1//0{_URL_SAFE}{{40,}}",
    ),
    ("slack", r"xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}"),
    ("slack", r"hooks\.slack\.com\\?/services\\?/[A-Za-z0-9/\\]{10,}"),
    ("npm", r"npm_[A-Za-z0-9]{30,}"),
    ("pypi", rf"pypi-{_URL_SAFE}{{16,}}"),
    ("gitlab", rf"gl(?:pat|ptt|dt|rt|cbt|soat|ft)-{_URL_SAFE}{{20,}}"),
    ("huggingface", r"hf_[A-Za-z0-9]{30,}"),
    ("anthropic", rf"sk-ant-{_URL_SAFE}{{16,}}"),
    ("openai", rf"sk-(?:proj|svcacct|admin)-{_URL_SAFE}{{20,}}|sk-[A-Za-z0-9]{{40,}}"),
    ("sendgrid", rf"SG\.{_URL_SAFE}{{16,}}\.{_URL_SAFE}{{16,}}"),
    ("shopify", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("grafana", r"gl(?:sa|c)_[A-Za-z0-9+/=_]{20,}"),
    ("azure", rf"{_URL_SAFE}{{3}}[0-9]Q~[A-Za-z0-9_.~-]{{31,}}"),
    ("digitalocean", r"do[opr]_v1_[a-f0-9]{64}"),
    ("telegram", rf"[0-9]{{8,10}}:AA{_URL_SAFE}{{33}}"),
    ("discord", rf"discord(?:app)?\.com\\?/api\\?/webhooks\\?/[0-9]+\\?/{_URL_SAFE}{{20,}}"),
    ("atlassian", rf"ATATT3x{_URL_SAFE}{{20,}}"),
    ("vault", rf"hv[sbr]\.{_URL_SAFE}{{20,}}"),
    ("square", rf"sq0[a-z]{{3}}-{_URL_SAFE}{{22,}}"),
    ("docker", rf"dckr_(?:pat|oat)_{_URL_SAFE}{{20,}}"),
    ("postman", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    ("newrelic", r"NRAK-[A-Z0-9]{27}"),
    ("linear", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    ("sentry", r"sntry[su]_[A-Za-z0-9+/=_]{40,}"),
    ("brevo", r"xkeysib-[a-f0-9]{64}"),
    ("planetscale", rf"pscale_(?:tkn|pw|oauth)_{_URL_SAFE}{{30,}}"),
    ("rubygems", r"rubygems_[a-f0-9]{48}"),
    ("age", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
)
_APART: Final = r"(?:^|[^a-zA-Z0-9_-]|\\[abfnrtv])"
# Rule -> pattern of a value that begins like many words do, so that it has to stand apart.
_BOUNDED: Final = (
    ("twilio", r"SK[0-9a-f]{32}"),
    ("mailgun", r"key-[0-9a-f]{32}"),
    ("discord", rf"[MNO]{_URL_SAFE}{{23,27}}\.{_URL_SAFE}{{6}}\.{_URL_SAFE}{{27,38}}"),
    ("azure", r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{20,}"),
    ("ssn", r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}"),
)
# What is masked only for those who ask for it: to many it is no secret.
OPTIONAL: Final = {
    "email": r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}",
    "phone": r"\+[1-9][0-9](?:[ ().-]{0,2}[0-9]){6,13}",
}
_AUTH: Final = rf"{WORD_START}(?i:bearer|basic)(?:[ \t+]|%20)+([A-Za-z0-9._~+/=|:-]{{8,}})"
_GAP: Final = r"(?:[ -]|\xc2\xa0|\xe2\x80[\x80-\x8b\x90-\x95\xaf])"  # spaces and dashes of any width
_DIGITS: Final = rf"[0-9](?:{_GAP}{{0,3}}[0-9]){{12,}}"
_APART_DIGIT: Final = rf"{_GAP}{{0,3}}[0-9]"
_OLD_JCB: Final = "".join(rf"{_GAP}{{0,3}}{digit}" for digit in "800")

# Length of an IBAN by country (ISO 13616 registry).
_IBAN_LENGTH: Final = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FK FO GL NL SD", "19": "MK SI",
        "20": "AT BA EE KZ LT LU MN XK", "21": "CH CR HR LI LV", "22": "BG BH DE GB GE IE ME RS VA",
        "23": "AE GI IL IQ OM SO TL", "24": "AD CZ ES MD PK RO SA SE SK TN VG",
        "25": "LY PT ST", "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HN HU LB NI PL SV",
        "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN: Final = rf"{WORD_START}((?:{'|'.join(sorted(_IBAN_LENGTH))})[0-9]{{2}}(?:[ -]?[A-Z0-9]){{11}})"

# For the prefilter: every value found below contains a match of this. Of a private key it is the first line:
# with any text behind it, RE2 would look for where each match begins in all that stands before.
HINT: Final = "|".join(
    [
        f"-----BEGIN {_PEM_LABEL}",
        *(f"(?:{pattern})" for rule, pattern in _SHAPES if rule != "private_key"),
        f"{_APART}(?:{'|'.join(pattern for _, pattern in _BOUNDED)})",
        _AUTH.replace("{8,}", "{8}").replace("%20", r"%20|\\+t"),  # a tab as JSON writes it
        rf"(?:^|[^0-9.]|[^0-9]\.)(?:[2-9](?:{_APART_DIGIT}){{12}}|1{_OLD_JCB}(?:{_APART_DIGIT}){{11}})",
        _IBAN,
        r":(?:\\*/){2}[^\s\"'<>]*@",  # user:password@ in a URL: masked by `text` and `url`
        r"[?&#]code=",  # of OAuth, if the names beside it say so
        # At these `text` looks further.
        r"[yY]our(?:[ +][a-zA-Z0-9_-]{1,32})?[ +]code\b|Failing row contains",
        r"[hH]eader (?:value|part)|No connection adapters",
        rf"(?:^|[^A-Za-z0-9+/_-]){BEGINNINGS}[A-Za-z0-9+/_-]{{13}}",  # JSON in base64
    ]
)

RULES: Final = frozenset({*(rule for rule, _ in _SHAPES), "bearer", "card", "iban"})  # all there are

_TOKENS = compile_bytes("|".join(f"(?:{pattern})" for _, pattern in _SHAPES), groups=False)
_WHICH = compile_bytes("|".join(f"({pattern})" for _, pattern in _SHAPES))
_APART_TOKENS = compile_bytes(_APART + "(?:" + "|".join(f"({pattern})" for _, pattern in _BOUNDED) + ")")
_BEARER = compile_bytes(_AUTH)
# All but cards: most texts have none of them.
_OTHERS = compile_bytes(
    "|".join(
        [
            *(f"(?:{pattern})" for _, pattern in _SHAPES),
            f"{_APART}(?:{'|'.join(pattern for _, pattern in _BOUNDED)})",
            _AUTH,
            _IBAN,
        ]
    ),
    groups=False,
)
_DIGIT_RUN = compile_bytes(_DIGITS, groups=False)
_IBAN_START = compile_bytes(_IBAN)
_PEM_HEAD: Final = b"PRIVATE KEY"
_PEM_END = re.compile(rf"-----END {_PEM_LABEL}[A-Z ]{{0,16}}-----".encode())
_GROUP = re.compile(rb"[0-9]+")
# Length of a card number -> how it may begin: of fewer digits, more other numbers would be taken for one.
_ISSUERS: Final = {
    13: ("4",),
    14: ("30", "36", "38", "39"),
    15: ("34", "37", "2131", "1800"),
    16: ("22", "23", "24", "25", "26", "27", "3", "4", "5", "6", "8", "9"),
    17: ("5", "6"),
    18: ("5", "6"),
    19: ("220", "4", "5", "6"),
}
LEAST_CARD: Final = 10**12
_DOUBLED = str.maketrans("0123456789", "0246813579")


def find(data: bytes, optional: Iterable[tuple[str, Pattern]] = ()) -> list[Found]:
    """Every sensitive value in a text, in order, none overlapping another.

    Args:
        data: the text.
        optional: rules and patterns of `OPTIONAL` that are wanted, too.
    """
    found: list[Found] = []
    if _OTHERS.found(data):
        found += [*_tokens(data), *_apart_tokens(data), *_bearers(data), *_ibans(data)]
    found += _cards(data)
    for rule, pattern in optional:
        found += [Found(start, end, rule) for start, end in pattern.places(data)]
    if len(found) < 2:
        return found
    found.sort()
    apart: list[Found] = []
    for each in found:
        if not apart or each.start >= apart[-1].end:
            apart.append(each)
        elif each.end > apart[-1].end:
            apart[-1] = apart[-1]._replace(end=each.end)
    return apart


def with_keys(places: list[tuple[int, int]], data: bytes) -> list[tuple[int, int]]:
    """The places of `HINT` and more, those that end with a private key's first line up to its last."""
    found: list[tuple[int, int]] = []
    done = 0
    for start, end in places:
        if end <= done:
            continue
        if data[end - len(_PEM_HEAD) : end] == _PEM_HEAD:
            last = _PEM_END.search(data, end)
            end = len(data) if last is None else last.end()
        found.append((max(start, done), end))
        done = end
    return found


def is_card(digits: str) -> bool:
    """Whether digits are a payment card number: a length and beginning issuers use, and Luhn."""
    if not 13 <= len(digits) <= 19 or not digits.startswith(_ISSUERS[len(digits)]):
        return False
    total = sum(digits[-1::-2].encode()) + sum(digits[-2::-2].translate(_DOUBLED).encode())
    return (total - 48 * len(digits)) % 10 == 0


def card_number(value: object) -> int | None:
    """The payment card number that a number of a JSON document is, or None."""
    if type(value) is float and LEAST_CARD <= value < 1e19 and value.is_integer():
        number = int(value)
    elif type(value) is int and LEAST_CARD <= value < 10**19:
        number = value
    else:
        return None
    return number if is_card(str(number)) else None


def is_ssn(text: str) -> bool:
    """Whether ``ddd-dd-dddd`` is a number the Social Security Administration gives out."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


def is_iban(text: str) -> bool:
    """Whether letters and digits (no spaces) are an IBAN: country, length, mod 97."""
    if len(text) != _IBAN_LENGTH.get(text[:2]):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _tokens(data: bytes) -> Iterator[Found]:
    for start, end in _TOKENS.places(data):
        match = _WHICH.search(data[start:end])
        for index, (rule, _) in enumerate(_SHAPES, 1):
            if match is not None and match.start(index) >= 0:
                yield Found(start, end, rule)
                break


def _apart_tokens(data: bytes) -> Iterator[Found]:
    for match in _APART_TOKENS.finditer(data):
        for index, (rule, _) in enumerate(_BOUNDED, 1):
            start, end = match.start(index), match.end(index)
            if start < 0:
                continue
            after = data[end : end + 1]
            if not after.isalnum() and (
                rule != "ssn" or (after != b"-" and is_ssn(data[start:end].decode()))
            ):
                yield Found(start, end, rule)
            break


def _bearers(data: bytes) -> Iterator[Found]:
    for match in _BEARER.finditer(data):
        start, end = match.start(1), match.end(1)
        value = data[start:end]
        # Bearer realm="x" is a challenge, no credential.
        if not (value.endswith(b"=") and data[end : end + 1] == b'"') and _opaque(value):
            yield Found(start, end, "bearer")


def _opaque(value: bytes) -> bool:
    """Whether what follows "Bearer" or "Basic" is a credential rather than an English word."""
    if len(value) >= 20 or not (value.islower() or value.istitle() or value.isupper()):
        return True
    if any(48 <= byte <= 57 for byte in value):
        return True
    try:
        return b":" in binascii.a2b_base64(value + b"==")
    except binascii.Error:
        return False


def _cards(data: bytes) -> Iterator[Found]:
    for start, run_end in _DIGIT_RUN.places(data):
        groups = [match.span() for match in _GROUP.finditer(data, start, run_end)]
        before = data[max(0, start - 2) : start]
        if before[-1:] == b"." and before[:1].isdigit():
            groups = groups[1:]  # the digits of a fraction
        index = 0
        while index < len(groups):
            last = _card_from(data, groups, index)
            if last is None:
                index += 1
            else:
                yield Found(groups[index][0], groups[last][1], "card")
                index = last + 1


def _card_from(data: bytes, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last of the digit groups that make a card number from the first on, if they do.

    Cards are written in groups of three or more, the last may be shorter: columns of small
    numbers are not tried in every combination.
    """
    digits, best = "", None
    for index in range(first, len(groups)):
        start, end = groups[index]
        digits += data[start:end].decode()
        if len(digits) > 19:
            break
        if len(digits) >= 13 and is_card(digits):
            phone = len(digits) <= 15 and data[max(0, groups[first][0] - 1) : groups[first][0]] == b"+"
            best = best if phone else index
        if end - start < 3:
            break
    return best


def _ibans(data: bytes) -> Iterator[Found]:
    for match in _IBAN_START.finditer(data):
        start = match.start(1)
        wanted = _IBAN_LENGTH[data[start : start + 2].decode()]
        text, at = "", start
        while len(text) < wanted and at < len(data):
            char = chr(data[at])
            if char.isascii() and char.isalnum():
                text += char.upper()
            elif char not in " -" or data[at - 1 : at] in {b" ", b"-"}:
                break
            at += 1
        if is_iban(text):
            yield Found(start, at, "iban")
