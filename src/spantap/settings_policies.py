"""The row of destinations' policies, and how it is read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from spantap.export.sink import Sink, policy_of
from spantap.model import Problem, did_you_mean
from spantap.policy.destination import DestinationPolicy
from spantap.policy.policies import PolicyFor, parse
from spantap.policy.traits import contradictions
from spantap.settings_row import Kind, row

POLICIES: Final = Kind(
    "a table of policies by destination; in the environment destination: word=value, one a line or "
    "separated by ;",
    parse,
)


@dataclass(frozen=True)
class PolicySettings:
    """The row; `spantap.settings.Settings` has them all."""

    policies: tuple[PolicyFor, ...] = row(
        (), POLICIES, "Which exchanges each destination gets, and which fields of them; docs/policies.md."
    )


def problems(values: Mapping[str, Any], given_as: Mapping[str, str]) -> Iterator[Problem]:
    """Rules for what is captured of which one leaves out all that another takes.

    Args:
        values: the settings that were given and could be read.
        given_as: how each was given.
    """
    for rule in contradictions(values.get("include", ()), values.get("exclude", ())):
        remedy = f"{given_as['exclude']} leaves out all of it: give one of them"
        yield Problem(given_as["include"], repr(rule), remedy)


def for_nobody(policies: Iterable[PolicyFor], destinations: Collection[str]) -> Iterator[Problem]:
    """Policies of destinations that are not among these."""
    for each in policies:
        if each.destination not in destinations:
            near = did_you_mean(each.destination, destinations)
            remedy = f"there is no such destination{near}; there are {', '.join(sorted(destinations))}"
            yield Problem("policies", repr(each.destination), remedy)


def without_headers(policies: Iterable[PolicyFor], sinks: Iterable[Sink]) -> Iterator[Problem]:
    """What policies say of headers, where none are captured."""
    remedy = "headers are not captured, so nobody knows: switch HEADERS on, or leave it out"
    given = [(each.destination, each.policy) for each in policies]
    of_sinks = [(sink.name, policy_of(sink)) for sink in sinks]
    for name, policy in (*of_sinks, *given):
        for each in () if policy is None else policy.headers_needed:
            yield Problem(f"policy of {name}", each, remedy)


def twice(sinks: Iterable[Sink]) -> Iterator[Problem]:
    """The same destination given as two objects that do not agree: it would be only the first."""
    policies: dict[tuple[str, str], DestinationPolicy | None] = {}
    for sink in sinks:
        place, policy = (sink.name, sink.target), policy_of(sink)
        if policies.setdefault(place, policy) != policy:
            remedy = "it is there twice, with different policies: give it one, or another place"
            yield Problem("destinations", " ".join(place), remedy)
