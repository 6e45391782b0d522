"""Route and endpoint, as Starlette's and FastAPI's routers leave them in the scope."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from spantap.model import Observation


def describe_scope(seen: Observation, scope: MutableMapping[str, Any]) -> None:
    """Fill in route template and endpoint name, where the scope tells them and nobody has."""
    route = scope.get("route")
    if route is None:
        return
    if seen.route is None:
        template = getattr(_effective(scope, route), "path_format", None)
        if isinstance(template, str):
            # A mount moves its own prefix to `root_path`; what the server set there first is not
            # part of the route.
            mounted = scope.get("root_path", "").removeprefix(scope.get("app_root_path", "")).rstrip("/")
            if type(route).__name__ == "Mount":
                template = "/{path}"
            seen.route = (mounted + template) or "/"
    if seen.endpoint is None:
        name = getattr(route, "name", None)
        seen.endpoint = name if isinstance(name, str) and name else qualified_name(scope.get("endpoint"))


def _effective(scope: MutableMapping[str, Any], route: Any) -> Any:
    """The route with the prefixes of the routers it was included through.

    FastAPI keeps them beside the route since it stopped copying routes on inclusion.
    """
    fastapi = scope.get("fastapi")
    if isinstance(fastapi, MutableMapping):
        for context in fastapi.values():
            if getattr(context, "original_route", None) is route:
                return context
    return route


def qualified_name(endpoint: Any) -> str | None:
    """``module.qualname`` of a function or class, else of the object's class; None for None."""
    if endpoint is None:
        return None
    named = endpoint if hasattr(endpoint, "__qualname__") else type(endpoint)
    return f"{named.__module__}.{named.__qualname__}"
