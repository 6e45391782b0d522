"""The user's rules at work: those that hold for one side of an exchange, compiled.

The first rule that matches a value counts. In allow-list mode what no rule keeps is masked, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from spantap.policy.redact.hashing import Hasher, host_of
from spantap.policy.redact.patterns import Pattern, encode
from spantap.policy.redact.places import NEVER, Places
from spantap.policy.redact.tally import MASK, URL_MASK, Tally
from spantap.policy.redact.user_rules import Rule, name_pattern
from spantap.policy.select import Selection

UNLISTED: Final = "unlisted"  # what allow-list mode masks counts as this
_HIDES: Final = Rule(UNLISTED, (), "", "*")
_REMEMBERED: Final = 1024
_LONGEST_NAME: Final = 128
_MOST_SETS: Final = 256

# Where proxies write the address of the client: each address in the list is hashed by itself.
_ADDRESS: Final = "address"
_ADDRESS_HEADERS: Final = (
    "x-forwarded-for", "x-original-forwarded-for", "x-real-ip", "x-client-ip", "x-cluster-client-ip",
    "client-ip", "true-client-ip", "cf-connecting-ip", "cf-connecting-ipv6", "cf-pseudo-ipv4",
    "fastly-client-ip", "fly-client-ip", "do-connecting-ip", "x-appengine-user-ip",
    "x-envoy-external-address", "x-azure-clientip", "x-azure-socketip", "x-remote-addr",
    "x-remote-ip", "x-originating-ip", "remote-addr",
)  # fmt: skip
ADDRESS_RULES: Final = (
    *(Rule("client.address", ("request",), "header", name, _ADDRESS) for name in _ADDRESS_HEADERS),
    Rule("client.address", ("request",), "header", "forwarded"),
)

# What allow-list mode shows of the headers: how the message is to be read, not what it says.
_PLAIN_HEADERS: Final = frozenset({
    "accept", "accept-charset", "accept-encoding", "accept-language", "accept-ranges", "age", "allow",
    "cache-control", "connection", "content-encoding", "content-language",
    "content-length", "content-range", "content-type", "date", "expect", "expires", "host",
    "if-modified-since", "if-unmodified-since", "keep-alive", "last-modified", "pragma", "range",
    "retry-after", "server", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "vary",
    "www-authenticate", "strict-transport-security", "x-content-type-options", "x-frame-options",
    "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "traceparent",
    "cookie", "set-cookie",  # their values are masked by themselves
})  # fmt: skip


class Named:
    """Rules for values that have a name. Thread-safe; what it remembers is bounded."""

    __slots__ = ("_globs", "_known")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._globs: list[tuple[Pattern, Rule]] = [(name_pattern(each.selector), each) for each in rules]
        self._known: dict[str, Rule | None] = {}

    def __bool__(self) -> bool:
        return bool(self._globs)

    def rule(self, name: str) -> Rule | None:
        """The first rule for a name."""
        try:
            return self._known[name]
        except KeyError:
            data = encode(name.casefold())
            rule = next((each for glob, each in self._globs if glob.search(data)), None)
            if len(name) <= _LONGEST_NAME and len(self._known) < _REMEMBERED:
                self._known[name] = rule
            return rule


class Ruled:
    """What holds for one side of an exchange, or for a text of unknown origin. Immutable, thread-safe.

    Attributes:
        headers, cookies, queries, forms: rules by name.
        places: rules for places in bodies; None when there are none.
        rules: the rules that `places` numbers.
        allow: whether what no rule keeps is masked.
        bodies: whether bodies are treated at all.
    """

    __slots__ = ("_hasher", "allow", "bodies", "cookies", "forms", "headers", "places", "queries", "rules")

    def __init__(
        self, rules: Sequence[Rule], *, allow: bool, hasher: Hasher | None, bodies: bool = True
    ) -> None:
        def of(field: str) -> Named:
            return Named(each for each in rules if each.field == field)

        self.headers, self.cookies, self.queries, self.forms = map(of, ("header", "cookie", "query", "form"))
        self.rules = rules
        steps = [(at, each.steps) for at, each in enumerate(rules) if each.field == "body"]
        self.places = Places(steps) if steps and bodies else None
        self.allow = allow
        self.bodies = bodies and (allow or bool(steps) or bool(self.forms))
        self._hasher = hasher

    def header(self, name: str) -> Rule | None:
        """What is done with the values of a lower-case name; None for what is always done."""
        rule = self.headers.rule(name)
        if rule is None and self.allow and name not in _PLAIN_HEADERS:
            return _HIDES
        return rule

    def query(self, name: str) -> Rule | None:
        """What is done with a parameter of a query string."""
        return self.queries.rule(name) or (_HIDES if self.allow else None)

    def form(self, name: str) -> Rule | None:
        """What is done with a field of a form; places in bodies mean fields as well (``user[name]``)."""
        rules = [each for each in (self.forms.rule(name), self._placed(name)) if each is not None]
        if not rules:
            return _HIDES if self.allow else None
        return min(rules, key=self.rules.index)

    def _placed(self, name: str) -> Rule | None:
        if self.places is None:
            return None
        position = self.places.root
        first = position.rule
        for part in name.replace("]", "").split("["):
            position = self.places.down(position, part)
            first = min(first, position.rule)
        return self.rules[first] if first < len(self.rules) else None

    @property
    def drops_all(self) -> bool:
        """Whether nothing is to be left of a body."""
        root = NEVER if self.places is None else self.places.root.rule
        return root < NEVER and self.rules[root].action == "drop"

    @property
    def text_is_kept(self) -> bool:
        """Whether a body that has no places may be shown all the same."""
        if self.places is None:
            return not self.allow
        root = self.places.root.rule
        if root < len(self.rules):
            return self.rules[root].action == "keep" and self.places.root.below > root
        return not self.allow and all(each.action == "keep" for each in self.rules if each.field == "body")

    def text(self, rule: Rule, text: str, tally: Tally, mask: str = MASK) -> str | None:
        """A value by a rule that does not keep it; None when it is dropped."""
        if rule.action == "drop":
            tally.add(rule.name, text)
            return None
        if text in ("", MASK, URL_MASK):
            return text
        # Of what is merely not listed nothing is remembered: it may be any word.
        tally.add(rule.name, None if rule is _HIDES else text)
        if rule.action == "hash" and self._hasher is not None:
            return self._hasher.hashed(text, tally, mask)
        if rule.action == _ADDRESS and self._hasher is not None:
            hasher = self._hasher
            return ", ".join(hasher.address(host_of(each), tally) for each in text.split(","))
        return mask

    def scalar(self, rule: Rule, value: Any, tally: Tally) -> Any:
        """The same for a value in JSON that is neither object nor array, and is not dropped."""
        if value is None or value == "" or value == MASK:
            return value
        if rule.action == "hash":
            return self.text(rule, value if isinstance(value, str) else orjson.dumps(value).decode(), tally)
        tally.add(rule.name, value)
        return MASK

    def unlisted(self, value: Any, tally: Tally) -> Any:
        """What allow-list mode leaves of a value that is neither object nor array: its type."""
        if value is None or value == "" or value == MASK:
            return value
        tally.add(UNLISTED)
        return MASK if isinstance(value, str) else type(value)(0)


class RuleBook:
    """All rules of a redactor, and those of them that hold for an exchange. Thread-safe.

    Attributes:
        anywhere: what holds for a text nobody knows the exchange of. A rule for some paths holds
            then, too, unless it keeps something.
    """

    __slots__ = ("_all", "_allow", "_hasher", "_rules", "_sets", "_strict", "_where", "anywhere")

    def __init__(self, rules: Sequence[Rule], *, allow: bool, hasher: Hasher | None) -> None:
        self._rules = tuple(rules)
        self._where = [
            None if each.path is None else Selection(include=(each.path,), exclude_methods=())
            for each in rules
        ]
        self._allow = allow
        self._hasher = hasher
        self._all = all(each is None for each in self._where)
        self._sets: dict[tuple[int, ...], tuple[Ruled, Ruled]] = {}
        self._strict = [each for each in rules if each.path is None or each.action != "keep"]
        self.anywhere = Ruled(self._strict, allow=allow, hasher=hasher, bodies=False)

    def of(self, path: str, route: str | None) -> tuple[Ruled, Ruled]:
        """What holds for the request and for the response of an exchange."""
        holding = tuple(
            at
            for at, where in enumerate(self._where)
            if where is None or where.wants("", path) or (route is not None and where.wants("", route))
        )
        known = self._sets.get(holding)
        if known is None:
            chosen = [self._rules[at] for at in holding]
            known = (self._side(chosen, "request"), self._side(chosen, "response"))
            if len(self._sets) < _MOST_SETS:
                self._sets[holding] = known
        return known

    def unknown(self, side: str | None) -> Ruled:
        """What holds for a message whose path is not known, and perhaps not even which message it is."""
        chosen = [each for each in self._strict if side is None or side in each.sides]
        return Ruled(chosen, allow=self._allow, hasher=self._hasher)

    def _side(self, rules: Sequence[Rule], side: str) -> Ruled:
        chosen = [each for each in rules if side in each.sides]
        return Ruled(chosen, allow=self._allow, hasher=self._hasher)
