"""Who is behind an exchange, as far as its headers say, when neither a hook nor the app has said it.

Nothing here verifies anything: a signature is not looked at, a password is not compared. A client can
write what it likes into a token; the app decides whether it believes it, and the status shows that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from spantap.model import Observation
from spantap.policy.proxies import TrustedProxies

_LONGEST: Final = 16 * 1024  # characters of a header that is looked into
_TOKENS: Final = frozenset({"bearer", "jwt", "dpop", "token"})
# Where a token stands in the place of the name, its password is empty or one of these words.
_NO_PASSWORDS: Final = frozenset({"", "x-oauth-basic", "x"})


@dataclass(frozen=True, slots=True)
class IdentityOptions:
    """Where to look.

    Attributes:
        authorization_headers: names of request headers that hold a token, the most important first.
        user_claim: the claim of a token that names the user.
        user_header, company_header, device_header: response headers an app may name them in.
        proxies: whose word about the client's address is taken; None: nobody's.
    """

    authorization_headers: tuple[str, ...] = ("authorization",)
    user_claim: str = "sub"
    user_header: str = "x-spantap-user"
    company_header: str = "x-spantap-company"
    device_header: str = "x-spantap-device"
    proxies: TrustedProxies | None = None


class Identifier:
    """Fills in what nobody has said. Immutable, thread-safe."""

    __slots__ = ("_authorization", "_claim", "_proxies", "_said")

    def __init__(self, options: IdentityOptions | None = None) -> None:
        options = options or IdentityOptions()
        self._authorization = tuple(name.lower() for name in options.authorization_headers)
        self._claim = options.user_claim
        self._proxies = options.proxies
        said = {
            options.user_header: "user",
            options.company_header: "company",
            options.device_header: "device",
        }
        self._said = {name.lower(): part for name, part in said.items() if name}

    @property
    def response_headers(self) -> frozenset[str]:
        """Lower-case names of the response headers that name somebody."""
        return frozenset(self._said)

    def fill(self, seen: Observation) -> None:
        """Fill in user, company, device and the client's address, unless they are known.

        The response headers that named somebody are taken out of what was seen: an identity has its
        own place in a record.

        Args:
            seen: what the door saw, headers included; is changed.
        """
        said = self._said
        for name, _ in seen.response_headers:
            if name.lower() in said:
                self._from_response(seen)
                break
        if seen.user is None and self._authorization:
            seen.user = self.user_named_in(seen.request_headers)
        if self._proxies is not None:
            self._proxies.place_client(seen)

    def _from_response(self, seen: Observation) -> None:
        rest = []
        for name, value in seen.response_headers:
            part = self._said.get(name.lower())
            if part is None:
                rest.append((name, value))
            elif value.strip() and getattr(seen, part) is None:
                setattr(seen, part, value.strip())
        seen.response_headers = rest

    def user_named_in(self, headers: list[tuple[str, str]]) -> str | None:
        """The user that the headers of a request name, unverified."""
        for wanted in self._authorization:
            for name, value in headers:
                if name == wanted:
                    user = user_of(value, self._claim)
                    if user is not None:
                        return user
        return None


def user_of(authorization: str, claim: str = "sub") -> str | None:
    """The user a header like ``Authorization`` names, unverified; None when it names nobody.

    Understood are ``Bearer`` and a JSON Web Token, ``Basic`` with a name and a password, a bare token,
    and bare base64 of a JSON object, as gateways send it. Anything may stand in it: nothing is raised.

    Args:
        authorization: the header's value.
        claim: the claim that names the user; ``a.b`` looks into the object ``a``, unless a claim
            has just that name.
    """
    value = authorization[:_LONGEST].partition(",")[0].strip()
    scheme, _, rest = value.partition(" ")
    rest = rest.strip()
    if not rest:
        dotted = "." in value
        return _claim_of(value.split(".")[1] if dotted else value, claim)
    kind = scheme.lower()
    if kind == "basic":
        return _name_of(rest)
    parts = rest.split(".")
    return _claim_of(parts[1], claim) if kind in _TOKENS and len(parts) > 2 else None


def digest_of(token: str) -> str:
    """What stands for a session whose key is a credential: it groups, and it opens nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def as_id(value: Any) -> str | None:
    """An id as text: of a text that is not blank, or of a whole number; None for anything else."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, UUID):
        return str(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _claim_of(segment: str, claim: str) -> str | None:
    data = _octets(segment)
    if data is None or not data.lstrip().startswith(b"{"):
        return None
    try:
        claims: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return as_id(_looked_up(claims, claim))


def _looked_up(claims: dict[str, Any], claim: str) -> Any:
    if claim in claims:
        return claims[claim]
    outer, dot, inner = claim.partition(".")
    if dot and isinstance(claims.get(outer), dict):
        return _looked_up(claims[outer], inner)
    lower = claim.lower()
    return next((value for name, value in claims.items() if name.lower() == lower), None)


def _name_of(credentials: str) -> str | None:
    data = _octets(credentials)
    if data is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    name, colon, password = text.partition(":")
    if not colon or password.strip().lower() in _NO_PASSWORDS:
        return None  # the name alone is what opens the door: it is a key
    return name.strip() or None


def _octets(text: str) -> bytes | None:
    """Base64 in either alphabet, with padding or without."""
    text = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):  # ValueError: characters that are not ASCII
        return None
