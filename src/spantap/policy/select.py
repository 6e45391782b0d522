"""Which exchanges are kept: by path, method and client before anything is recorded, the rest at the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from spantap.model import Observation
from spantap.policy.patterns import InvalidPatternError, Patterns
from spantap.policy.traits import Traits

__all__ = ["DEFAULT_EXCLUDED", "DEFAULT_EXCLUDED_METHODS", "InvalidPatternError", "Selection"]

# What machines ask for, not people: it would drown everything else.
DEFAULT_EXCLUDED: Final = (
    "/health",
    "/healthz",
    "/healthcheck",
    "/health-check",
    "/health_check",
    "/heartbeat",
    "/ping",
    "/ready",
    "/readyz",
    "/live",
    "/livez",
    "/metrics",
    "/favicon.ico",
    "/robots.txt",
    "/sitemap.xml",
    "/manifest.json",
    "/service-worker.js",
    "/.well-known/*",
    "/static/*",
    "/assets/*",
    "/media/*",
)
# Machines that ask whether an app is well, by how their names begin.
PROBES: Final = (
    "kube-probe/",
    "GoogleHC/",
    "GoogleStackdriverMonitoring-UptimeChecks",
    "ELB-HealthChecker/",
    "Amazon-Route53-Health-Check-Service",
    "Edge Health Probe",
    "Load Balancer Agent",
    "Consul Health Check",
)
DEFAULT_EXCLUDED_METHODS: Final = ("OPTIONS",)


class Selection:
    """Decides whether an exchange is captured. Immutable, thread-safe.

    A pattern is a glob over the whole path (``/api/*``, ``*/internal/*``, ``/login``), or,
    with the prefix ``re:``, a regular expression (RE2 syntax: linear time) searched in it.
    """

    __slots__ = (
        "_default_excluded",
        "_excluded",
        "_excluded_methods",
        "_included",
        "_left_out",
        "_probes",
        "_taken",
        "late",
    )

    def __init__(
        self,
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        exclude_methods: Iterable[str] = DEFAULT_EXCLUDED_METHODS,
        taken: Iterable[str] = (),
        left_out: Iterable[str] = (),
        defaults: bool = True,
    ) -> None:
        """Args:
            include: when given, only paths that match one of these; it also overrides the
                default exclusions of paths (health checks, static files).
            exclude: never these; beats include.
            exclude_methods: never these.
            taken: rules of `Traits`; of each trait that is named one has to match.
            left_out: rules of which none may match.
            defaults: leave out health checks, static files and probes.

        Raises:
            InvalidPatternError: a pattern cannot be compiled.
        """
        included = Patterns(include)
        self._included = included if included else None
        self._excluded = Patterns(exclude)
        self._default_excluded = Patterns(DEFAULT_EXCLUDED if defaults else ())
        self._probes = PROBES if defaults else ()
        self._excluded_methods = frozenset(method.upper() for method in exclude_methods)
        self._taken = Traits(taken)
        self._left_out = Traits(left_out)
        self.late = bool(self._taken.late or self._left_out.late)

    def wants(self, method: str, path: str) -> bool:
        """Whether an exchange with this method and path is captured."""
        if method in self._excluded_methods or self._excluded.match(path):
            return False
        if self._included is not None:
            return self._included.match(path)
        return not self._default_excluded.match(path)

    def wants_request(self, seen: Observation) -> bool:
        """Whether an exchange is captured that begins like this."""
        agent = seen.user_agent
        if agent is not None and agent.startswith(self._probes):
            return False
        if not self.wants(seen.method, seen.path):
            return False
        taken, left_out = self._taken.early, self._left_out.early
        if not (taken or left_out):
            return True
        return all(test(seen) for test in taken) and not any(test(seen) for test in left_out)

    def keeps(self, seen: Observation) -> bool:
        """Whether an exchange is kept that has ended like this; to be asked only if `late`."""
        return all(test(seen) for test in self._taken.late) and not any(
            test(seen) for test in self._left_out.late
        )
