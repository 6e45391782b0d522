"""What is installed here, and what of it wins under `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts
from opentelemetry.util._importlib_metadata import entry_points

from spantap.distro import REPLACED

_OURS: Final = "spantap"
_VARIABLES: Final = {"distro": "OTEL_PYTHON_DISTRO", "configurator": "OTEL_PYTHON_CONFIGURATOR"}
_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_PACKAGES: Final = (
    *("fastapi", "starlette", "flask", "django"),
    *("uvicorn", "hypercorn", "granian", "daphne", "gunicorn", "waitress"),
)


@dataclass(frozen=True, slots=True)
class Winner:
    """A distro or configurator: its name, and why it and no other; None when none is installed."""

    name: str | None
    why: str


@dataclass(slots=True)
class Winners:
    """What `opentelemetry-instrument` would load here.

    Attributes:
        distro, configurator: one each.
        instrumentations: name -> what becomes of it.
        wrong: what keeps spantap from capturing, with a remedy each.
        hint: what would make it surer; empty when all is set.
    """

    distro: Winner
    configurator: Winner
    instrumentations: dict[str, str]
    wrong: list[tuple[str, str]] = field(default_factory=list)
    hint: str = ""


def frameworks_and_servers() -> dict[str, str]:
    """Those spantap has a door for and that are installed, with their versions."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def winners(environ: Mapping[str, str]) -> Winners:
    """As OpenTelemetry's own loader would choose, with nothing loaded."""
    distro, configurator = (_winner(kind, environ) for kind in ("distro", "configurator"))
    found = Winners(distro, configurator, _instrumentations(distro.name == _OURS, environ))
    for kind, winner in (("distro", distro), ("configurator", configurator)):
        if winner.name is None:
            found.wrong.append(
                (f"{_VARIABLES[kind]}: {winner.why}", f"set {_VARIABLES[kind]}={_OURS}, or unset it")
            )
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        found.wrong.append(("OTEL_SDK_DISABLED is true: nothing is captured", "unset it"))
    if found.instrumentations.get(_OURS) != "loads":
        found.wrong.append(
            (f"{_DISABLED} names spantap: nothing is captured", "take spantap, or *, out of the list")
        )
    unset = [each for each in _VARIABLES.values() if not environ.get(each)]
    if unset:
        settings = " ".join(f"{each}={_OURS}" for each in unset)
        found.hint = f"`spantap run` sets {settings}; elsewhere set it yourself"
    return found


def _winner(kind: str, environ: Mapping[str, str]) -> Winner:
    names = [each.name for each in entry_points(group=f"opentelemetry_{kind}")]
    variable = _VARIABLES[kind]
    # As the loader does: set but empty is a name, that nobody has.
    wanted = environ.get(variable)
    if wanted is not None:
        if wanted in names:
            return Winner(wanted, variable)
        return Winner(None, f"no {kind} {wanted!r} is installed; there are {', '.join(sorted(names))}")
    if not names:
        return Winner(None, "none is installed")
    others = sorted(set(names) - {names[0]})
    return Winner(
        names[0], f"found first, before {', '.join(others)}" if others else "the only one installed"
    )


def _instrumentations(our_distro: bool, environ: Mapping[str, str]) -> dict[str, str]:
    disabled = {each.strip() for each in environ.get(_DISABLED, "").split(",")}
    found = {}
    for each in entry_points(group="opentelemetry_instrumentor"):
        if each.name in disabled or "*" in disabled:
            found[each.name] = f"disabled by {_DISABLED}"
        elif our_distro and each.name in REPLACED:
            found[each.name] = "spantap captures it instead"
        else:
            found[each.name] = _conflict(each) or "loads"
    return found


def _conflict(entry_point: Any) -> str | None:
    dist = getattr(entry_point, "dist", None)
    conflict = None if dist is None else get_dist_dependency_conflicts(dist)
    if conflict is None:
        return None
    wanted = conflict.required or " or ".join(conflict.required_any or ())
    return f"does not load: {wanted or 'what it instruments'} is not installed"
