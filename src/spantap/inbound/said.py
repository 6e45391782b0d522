"""What an app has said of a request in its framework's own way: user, session, numbers of its own.

Read when the response begins, while the framework still has its request. Nothing is evaluated that
the app has not evaluated: a user nobody has asked for stays unknown, or the session would be read and
the answer would vary by cookie.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from spantap.guard import report
from spantap.inbound.route import django_request
from spantap.model import Observation
from spantap.policy.identify import as_id, digest_of

_NAMES: Final = ("identity", "id", "pk", "username", "display_name")  # how user objects call their id


def note_scope(seen: Observation, scope: Mapping[str, Any], data: str) -> None:
    """What an ASGI scope tells, when the response begins. Never raises.

    Args:
        seen: filled in, where it says nothing yet.
        scope: the request's.
        data: the attribute of the framework's request that holds facts of the app's own.
    """
    try:
        state = scope.get("state")
        if state and data in state:
            _add(seen, state[data])
        if seen.user is None and (user := scope.get("user")) is not None:
            seen.user = _id_of(user)
        _django(seen, scope, data)
    except Exception as error:  # noqa: BLE001 - the app's own objects may do anything
        report("reading what the framework knows", error)


def note_environ(seen: Observation, environ: Mapping[str, Any], data: str) -> None:
    """What a WSGI environ tells, when the response begins. Never raises; arguments as for `note_scope`."""
    try:
        _django(seen, environ, data)
        request = environ.get("werkzeug.request")
        if request is not None:
            _add(seen, request.__dict__.get(data))
            if seen.user is None:
                seen.user = _flask_login(environ)
    except Exception as error:  # noqa: BLE001 - the app's own objects may do anything
        report("reading what the framework knows", error)


def framework_request(place: Mapping[str, Any]) -> Any:
    """Django's or Flask's request object; None for other frameworks. It has to be asked for in time."""
    return django_request(place) or place.get("werkzeug.request")


def _add(seen: Observation, facts: Any) -> None:
    if isinstance(facts, Mapping):
        seen.add(facts)


def _django(seen: Observation, place: Mapping[str, Any], data: str) -> None:
    request = django_request(place)
    if request is None:
        return
    known = request.__dict__
    _add(seen, known.get(data))
    if seen.user is None:
        user = known.get("user")
        if any(each.__name__ == "LazyObject" for each in type(user).__mro__):
            # Evaluated, it keeps here what it stands for.
            user = object.__getattribute__(user, "__dict__").get("_wrapped")
        for each in (user, known.get("_cached_user"), known.get("_acached_user")):
            if seen.user is None and each is not None:
                seen.user = _id_of(each, "pk")
    session = known.get("session")
    if seen.session is None and getattr(session, "accessed", False) is True:
        key = session.session_key
        if isinstance(key, str) and key:
            seen.session = digest_of(key)  # the key is what the cookie holds: whoever has it is the user


def _flask_login(environ: Mapping[str, Any]) -> str | None:
    """The user Flask-Login has loaded in this request, if it has."""
    flask = sys.modules.get("flask")
    if flask is None or "flask_login" not in sys.modules or not flask.has_request_context():
        return None
    if flask.request.environ is not environ:
        return None  # an app within an app
    user = flask.g.get("_login_user")
    if user is None or not getattr(user, "is_authenticated", False):
        return None
    return _mapped_id(user) or as_id(user.get_id())


def _id_of(user: Any, *names: str) -> str | None:
    """The id of an authenticated user object."""
    if isinstance(user, (str, int)):
        return as_id(user)
    if getattr(user, "is_authenticated", None) is not True:
        return None
    mapped = _mapped_id(user)
    if mapped is not None:
        return mapped
    for name in names or _NAMES:
        try:
            found = as_id(getattr(user, name, None))
        except NotImplementedError:  # Starlette's own users have no identity unless one is written
            continue
        if found is not None:
            return found
    return None


def _mapped_id(user: Any) -> str | None:
    """The primary key of an SQLAlchemy object, which to ask for by name may read the database."""
    identity = getattr(getattr(user, "_sa_instance_state", None), "identity", None)
    return "-".join(map(str, identity)) if isinstance(identity, tuple) and identity else None
