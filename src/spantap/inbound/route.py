"""What frameworks leave in scope and environ about who handles a request: route and endpoint.

Looked for by whichever door stands outermost, so it works wherever that is. Nothing is
imported, and nothing is evaluated that the app has not evaluated.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final

from spantap.model import Observation

_DJANGO: Final = "spantap.django.request"  # a weak reference to Django's request


def describe_scope(seen: Observation, scope: Mapping[str, Any]) -> None:
    """Fill in route template and endpoint name from an ASGI scope, unless they are known."""
    if seen.route is not None:
        return
    route = scope.get("route")
    if route is None and "router" in scope and "endpoint" in scope:
        route = _taken(scope["router"].routes, scope)
    if route is not None:
        _starlette(seen, scope, route)
    elif _DJANGO in scope:
        _django(seen, scope)


def describe_environ(seen: Observation, environ: Mapping[str, Any]) -> None:
    """Fill in route template and endpoint name from a WSGI environ, unless they are known."""
    if seen.route is not None:
        return
    if _DJANGO in environ:
        _django(seen, environ)
        return
    # Werkzeug leaves its request there; the rule is set by the time routing is done.
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    if rule is not None:
        seen.route, seen.endpoint = rule.rule, rule.endpoint


def remember_django(request: Any) -> None:
    """Let the door find Django's request when the exchange ends."""
    place: MutableMapping[str, Any] | None = getattr(request, "environ", None)
    if place is None:
        place = getattr(request, "scope", None)
    if place is not None:
        # Weak: a strong one would make a cycle out of every request.
        place[_DJANGO] = weakref.ref(request)


def django_request(place: Mapping[str, Any]) -> Any | None:
    """Django's request, while the framework has it; None for other frameworks."""
    remembered = place.get(_DJANGO)
    return None if remembered is None else remembered()


def _taken(routes: Iterable[Any], scope: Mapping[str, Any]) -> Any | None:
    """The route that was taken, for a Starlette that does not leave it in the scope: its endpoint's.

    None when several have the endpoint and as many of the parameters.
    """
    params = (scope.get("path_params") or {}).keys()
    found: dict[int, list[Any]] = {}
    for each in _all(routes):
        if scope["endpoint"] in (getattr(each, "endpoint", None), getattr(each, "app", None)):
            named = getattr(each, "param_convertors", {}).keys()
            if hasattr(each, "routes"):
                named = named - {"path"}  # a mount's, which it keeps to itself
            if named <= params:
                found.setdefault(len(named), []).append(each)
    best = found[max(found)] if found else []
    return best[0] if len(best) == 1 else None


def _all(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        yield route
        yield from _all(getattr(route, "routes", None) or ())


def _starlette(seen: Observation, scope: Mapping[str, Any], route: Any) -> None:
    template = getattr(_included(scope, route), "path_format", None)
    if isinstance(template, str):
        # A mount moves its own prefix to `root_path`; what the server set there first is not
        # part of the route.
        mounted = scope.get("root_path", "").removeprefix(scope.get("app_root_path", "")).rstrip("/")
        mounted = _template(mounted, scope.get("path_params") or {}, template)
        if type(route).__name__ == "Mount":
            template = "/{path}"
        seen.route = (mounted + template) or "/"
    name = getattr(route, "name", None)
    seen.endpoint = name if isinstance(name, str) and name else qualified_name(scope.get("endpoint"))


def _template(mounted: str, params: Mapping[str, Any], inner: str) -> str:
    """The template of a mount's prefix, of which only the text that matched is to be had.

    A parameter that cannot be found in it again (``05`` for the number 5) might be anywhere, so
    nothing of the prefix is kept then.
    """
    outer = {
        str(value): name
        for name, value in params.items()
        if f"{{{name}}}" not in inner and f"{{{name}:" not in inner
    }
    segments = mounted.split("/")
    if not outer.keys() <= set(segments):
        return "/{mount}"
    return "/".join(f"{{{outer[each]}}}" if each in outer else each for each in segments)


def _included(scope: Mapping[str, Any], route: Any) -> Any:
    """The route with the prefixes of the routers it was included through.

    FastAPI keeps them beside the route since it stopped copying routes on inclusion.
    """
    fastapi = scope.get("fastapi")
    if isinstance(fastapi, Mapping):
        for context in fastapi.values():
            if getattr(context, "original_route", None) is route:
                return context
    return route


def _django(seen: Observation, place: Mapping[str, Any]) -> None:
    match = getattr(place[_DJANGO](), "resolver_match", None)
    if match is None:
        return
    # `path()` routes have no leading slash, regular expressions keep their own shape.
    seen.route = match.route if match.route.startswith(("/", "^")) else f"/{match.route}"
    seen.endpoint = match.view_name or None


def qualified_name(endpoint: Any) -> str | None:
    """``module.qualname`` of a function or class, else of the object's class; None for None."""
    if endpoint is None:
        return None
    named = endpoint if hasattr(endpoint, "__qualname__") else type(endpoint)
    return f"{named.__module__}.{named.__qualname__}"
