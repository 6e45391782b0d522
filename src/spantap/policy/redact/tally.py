"""What redaction did to one exchange."""

from __future__ import annotations

from typing import Final

MASK: Final = "[REDACTED]"
URL_MASK: Final = "REDACTED"  # brackets would have to be percent-encoded in a URL

_SHORTEST: Final = 6  # shorter values are words like "true" and would riddle a text with marks
_LONGEST: Final = 512
_MOST: Final = 64
# Words that stand under sensitive names in schemas, forms and errors, and everywhere else. Swagger's pages
# send `string` for a password.
_WORDS: Final = frozenset({
    "string", "number", "integer", "object", "boolean", "binary", "header", "cookie", "cookies",
    "password", "secret", "bearer", "session", "oauth2", "apikey", "required", "optional", "invalid",
    "missing", "expired", "unknown", "enabled", "disabled", "default", "public", "private", "success",
    "failed", "active", "inactive", "hidden", "undefined",
})  # fmt: skip


class Tally:
    """Counts of what was masked, and the values themselves for scrubbing exception texts.

    One per exchange, used by one thread at a time. `secrets` never leaves the process.

    Attributes:
        counts: rule name -> how many values it masked.
        secrets: raw values masked, each 6 to 512 characters, at most 64 of them.
        hashes: what values were replaced by; no detector may take one for a secret.
    """

    __slots__ = ("counts", "hashes", "secrets")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.secrets: set[str] = set()
        self.hashes: set[str] = set()

    @classmethod
    def knowing(cls, other: Tally) -> Tally:
        """A new one that knows the values another knows, and counts by itself."""
        tally = cls()
        tally.secrets = other.secrets
        return tally

    def add(self, rule: str, value: object = None) -> None:
        """Note that a rule masked a value.

        Args:
            rule: its name.
            value: the raw value; of objects and arrays, the scalars inside are remembered.
        """
        self.counts[rule] = self.counts.get(rule, 0) + 1
        if type(value) is str:
            self.remember(value)
            return
        inside = [value]
        while inside and len(self.secrets) < _MOST:
            each = inside.pop()
            if isinstance(each, dict):
                inside.extend(each.values())
            elif isinstance(each, list):
                inside.extend(each)
            elif isinstance(each, (str, int, float)) and not isinstance(each, bool):
                self.remember(str(each))

    def take(self, other: Tally) -> None:
        """Note what another has counted and remembered as well."""
        for rule, count in other.counts.items():
            self.counts[rule] = self.counts.get(rule, 0) + count
        for secret in other.secrets:
            self.remember(secret)

    def remember(self, secret: str) -> None:
        """Keep a raw value for scrubbing, unless it is too short, too long or one too many."""
        # Our own mark is no secret, and neither is a part of it.
        if secret in MASK or secret.lower() in _WORDS:
            return
        if _SHORTEST <= len(secret) <= _LONGEST and len(self.secrets) < _MOST:
            self.secrets.add(secret)
