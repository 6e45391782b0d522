"""What one destination gets: which exchanges, and which of their fields. See docs/policies.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from typing import Any, Final

from spantap.model import ConfigurationError, Exchange, Problem, did_you_mean
from spantap.policy import user_agent
from spantap.policy.fields import FIELDS, GROUPS, ON_DEMAND, OTHER_NAMES, names_status, reduced
from spantap.policy.patterns import InvalidPatternError
from spantap.policy.traits import Test, Traits, by_trait, contradictions

_ANY_EXCEPTION: Final = "error:*"
# Word -> the rules it stands for.
_TAKEN: Final = {"include": "", "on_endpoints": "endpoint:", "on_status_codes": "status:"}
_LEFT_OUT: Final = {"exclude": "", "skip_endpoints": "endpoint:", "skip_status_codes": "status:"}
_LISTS: Final = (*_TAKEN, *_LEFT_OUT, "fields")
_FLAGS: Final = ("only_on_exception", "skip_on_exception")


@dataclass(frozen=True, kw_only=True)
class DestinationPolicy:
    """Which exchanges a destination gets, and which fields of them. Immutable, thread-safe.

    An exchange goes there if every list that takes has something that matches, and no list that
    leaves out has. The other destinations get it whole all the same.

    Subclasses may override `takes` and `reduced`, which have to be thread-safe: `takes` is called
    where the request ends, `reduced` on the worker of the destination. An exchange for which one of
    them raises is not delivered there; that is counted.

    Attributes:
        include, exclude: rules such as ``status:5xx`` or ``path:/api/*`` (docs/selection.md): of each
            trait that is included one rule has to match, and no rule that excludes may.
        on_endpoints, skip_endpoints: patterns for endpoints, as ``include=["endpoint:..."]`` has them.
        on_status_codes, skip_status_codes: ``404``, ``"5xx"``, ``"400-499"``, ``">=500"``, ``"none"``.
        only_on_exception: only exchanges with an exception.
        skip_on_exception: none with an exception.
        fields: names of `spantap.policy.fields.FIELDS`: these alone; or each with a minus: all but
            these. None: all but ``browser`` and ``platform``.
        kept: the names of the fields that are left, in the order of `fields`, or of the table after a
            minus; None when nothing is left out.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    on_endpoints: Sequence[str] = ()
    skip_endpoints: Sequence[str] = ()
    on_status_codes: Sequence[int | str] = ()
    skip_status_codes: Sequence[int | str] = ()
    only_on_exception: bool = False
    skip_on_exception: bool = False
    fields: Sequence[str] | None = None
    kept: tuple[str, ...] | None = field(init=False, repr=False, compare=False, default=None)
    _kept: frozenset[str] = field(init=False, repr=False, compare=False, default=frozenset())
    _removed: frozenset[str] = field(init=False, repr=False, compare=False, default=frozenset())
    _names_agent: bool = field(init=False, repr=False, compare=False, default=False)
    _taken: tuple[Test, ...] = field(init=False, repr=False, compare=False, default=())
    _left_out: tuple[Test, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        """Check and compile it.

        Raises:
            ConfigurationError: listing every mistake in it.
        """
        problems = [
            Problem(f"{type(self).__name__}, {word}", repr(value), remedy)
            for word, value, remedy in self._mistakes()
        ]
        if problems:
            raise ConfigurationError(problems)

    @classmethod
    def words(cls) -> tuple[str, ...]:
        """The keyword arguments there are."""
        return tuple(each.name for each in fields(cls) if each.init)

    def takes(self, exchange: Exchange) -> bool:
        """Whether the destination gets this exchange."""
        seen = _Seen(exchange)
        return all(test(seen) for test in self._taken) and not any(test(seen) for test in self._left_out)

    def reduced(self, exchange: Exchange) -> Exchange:
        """The exchange with the fields the destination gets; the same when it gets all there are."""
        if self.kept is None:
            return exchange
        if self._names_agent:
            exchange = user_agent.with_names(exchange)
        return reduced(exchange, self._kept, self._removed)

    @property
    def headers_needed(self) -> tuple[str, ...]:
        """What it says about things that only headers tell."""
        rules = by_trait((*self.include, *self.exclude))
        asked = [each for each in ("user-agent", "content-type") if each in rules]
        return (*asked, *(each for each in self.kept or () if each in ON_DEMAND))

    def __str__(self) -> str:
        """As the environment would have it."""
        return "; ".join(self.said())

    def said(self) -> Iterator[str]:
        """Each word with its value, as the environment would have it."""
        for word in self.words():
            value = getattr(self, word)
            if value is True:
                yield word
            elif value:
                yield f"{word}={','.join(value)}"

    # What follows runs when it is made ----------------------------------------------------------

    def _mistakes(self) -> Iterator[tuple[str, Any, str]]:
        """Word, value and remedy of each mistake; sets what is compiled on the way."""
        wrong = list(self._wrong_types())
        yield from wrong
        words = {word for word, _, _ in wrong}
        taken, left_out = self._rules(_TAKEN, words), self._rules(_LEFT_OUT, words)
        for rules in (taken, left_out):
            for rule, word in list(rules.items()):
                remedy = _why_no_rule(rule)
                if remedy is not None:
                    del rules[rule]
                    yield word, rule.partition(":")[2] if word not in ("include", "exclude") else rule, remedy
        yield from self._contradictions(taken, left_out)
        if self.only_on_exception is True:
            taken[_ANY_EXCEPTION] = "only_on_exception"
        if self.skip_on_exception is True:
            left_out[_ANY_EXCEPTION] = "skip_on_exception"
        self._set("_taken", _tests(taken))
        self._set("_left_out", _tests(left_out))
        if self.fields is not None and "fields" not in words:
            yield from self._wrong_fields(self.fields)

    def _wrong_types(self) -> Iterator[tuple[str, Any, str]]:
        """Lists become tuples of texts."""
        for word in _LISTS:
            value: Any = getattr(self, word)
            if value is None and word == "fields":
                continue
            allowed = (int, str) if word.endswith("status_codes") else (str,)
            if isinstance(value, str) or not isinstance(value, (Sequence, Set)):
                yield word, value, "use a list"
            elif not all(isinstance(each, allowed) and not isinstance(each, bool) for each in value):
                yield word, value, f"use a list of {'numbers and texts' if int in allowed else 'texts'}"
            else:
                self._set(word, tuple(str(each).strip() for each in value))
        for word in _FLAGS:
            if not isinstance(getattr(self, word), bool):
                yield word, getattr(self, word), "use true or false"

    def _rules(self, words: Mapping[str, str], wrong: Set[str]) -> dict[str, str]:
        """Rule -> the word that says it."""
        return {
            prefix + each: word
            for word, prefix in words.items()
            if word not in wrong
            for each in getattr(self, word)
        }

    def _contradictions(
        self, taken: Mapping[str, str], left_out: Mapping[str, str]
    ) -> Iterator[tuple[str, Any, str]]:
        for rule in contradictions(taken, left_out):
            yield taken[rule], rule, "another rule leaves out all of it: give one of them"
        errors = [rule for rule in taken if rule.startswith("error:")]
        if self.only_on_exception and self.skip_on_exception:
            yield "only_on_exception", True, "skip_on_exception leaves out the same: give one of them"
        elif self.only_on_exception and _ANY_EXCEPTION in left_out:
            yield "only_on_exception", True, f"exclude has {_ANY_EXCEPTION}: give one of them"
        elif self.skip_on_exception and errors:
            yield "skip_on_exception", True, f"include has {errors[0]}: give one of them"
        elif self.only_on_exception and errors and errors != [_ANY_EXCEPTION]:
            yield "only_on_exception", True, f"it takes more than {errors[0]} does: give one of them"

    def _wrong_fields(self, listed: Sequence[str]) -> Iterator[tuple[str, Any, str]]:
        minus = [each.startswith("-") for each in listed]
        if not listed:
            yield "fields", listed, "name at least one; without the word it is all of them"
        elif any(minus) and not all(minus):
            yield "fields", listed, "use names, or names that all have a minus: these alone, or all but these"
        names: list[str] = []
        for each in listed:
            name = each.removeprefix("-").strip().lower()
            name = OTHER_NAMES.get(name, name)
            if name in GROUPS:
                names += GROUPS[name]
            elif name in FIELDS:
                names.append(name)
            else:
                near = did_you_mean(name, (*FIELDS, *GROUPS, *OTHER_NAMES))
                yield "fields", each, f"there is no such field{near}; there are {', '.join(FIELDS)}"
        if any(minus):
            kept = [each for each in FIELDS if each not in names and each not in ON_DEMAND]
        else:
            kept = list(dict.fromkeys(names))
        self._set("kept", tuple(kept))
        self._set("_kept", frozenset(kept))
        self._set("_removed", frozenset(names if any(minus) else ()))
        self._set("_names_agent", not ON_DEMAND.isdisjoint(kept))
        if self._names_agent and not user_agent.available():
            yield "fields", listed, user_agent.MISSING

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # it is frozen for everybody else


class _Seen:
    """An exchange as rules look at it."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def method(self) -> str:
        return self._exchange.request.method

    @property
    def path(self) -> str:
        return self._exchange.request.path

    @property
    def user_agent(self) -> str | None:
        return self._exchange.request.headers.first("user-agent")

    @property
    def route(self) -> str | None:
        return self._exchange.route

    @property
    def endpoint(self) -> str | None:
        return self._exchange.endpoint

    @property
    def status(self) -> int | None:
        return self._exchange.response.status

    @property
    def response_headers(self) -> list[tuple[str, str]]:
        kind = self._exchange.response.headers.first("content-type")
        return [] if kind is None else [("content-type", kind)]

    @property
    def error_type(self) -> str | None:
        error = self._exchange.error
        return None if error is None or names_status(error) else error.type

    @property
    def start(self) -> int:
        return self._exchange.timing.start

    @property
    def end(self) -> int:
        return self._exchange.timing.end


def _why_no_rule(rule: str) -> str | None:
    try:
        Traits([rule])
    except InvalidPatternError as error:
        return str(error)
    return None


def _tests(rules: Iterable[str]) -> tuple[Test, ...]:
    traits = Traits(rules)
    return (*traits.early, *traits.late)
