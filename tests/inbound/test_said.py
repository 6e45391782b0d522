"""Who is behind a request, as frameworks, headers and tokens tell it, over the wire."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import flask_login
import pytest
from fastapi import FastAPI, Request, Response
from flask import Flask, make_response
from flask import request as flask_request
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import spantap
from asgi_client import call, scope
from over_the_wire import ask, served
from spantap.export.memory import MemorySink
from spantap.model import Exchange

TESTS = Path(__file__).parent.parent
CLAIMS = base64.urlsafe_b64encode(b'{"sub":"of-token","name":"of-name"}').decode().rstrip("=")
BEARER = {"Authorization": f"Bearer h.{CLAIMS}.s"}
NAMED = {"X-Spantap-User": "of-header", "X-Spantap-Company": "acme", "X-Spantap-Device": "phone"}


class Account:
    is_authenticated = True
    is_active = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_id(self) -> str:
        return self.name


class ByHeader(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        name = conn.headers.get("x-login")
        return None if name is None else (AuthCredentials(), SimpleUser(name))


def starlette() -> Any:
    async def plain(request: Any) -> Any:
        request.state.spantap_metrics = {"items": 3, "plan": "gold", "fast": True}
        return PlainTextResponse("plain")

    async def said(request: Any) -> Any:
        spantap.current().user("of-app")
        return PlainTextResponse("said", headers=NAMED)

    async def named(request: Any) -> Any:
        return PlainTextResponse("named", headers=NAMED)

    return Starlette(
        routes=[Route(f"/{each.__name__}", each) for each in (plain, said, named)],
        middleware=[Middleware(AuthenticationMiddleware, backend=ByHeader())],
    )


def fastapi() -> Any:
    app = FastAPI()
    app.add_middleware(AuthenticationMiddleware, backend=ByHeader())

    @app.get("/plain")
    def plain(request: Request) -> str:
        request.state.spantap_metrics = {"items": 3, "plan": "gold", "fast": True}
        return "plain"

    @app.get("/said")
    def said(response: Response) -> str:
        spantap.current().user("of-app")
        response.headers.update(NAMED)
        return "said"

    @app.get("/named")
    def named(response: Response) -> str:
        response.headers.update(NAMED)
        return "named"

    return app


def flask() -> Any:
    app = Flask(__name__)
    app.secret_key = "k"
    logins = flask_login.LoginManager(app)

    @logins.request_loader  # type: ignore[untyped-decorator]
    def load(request: Any) -> Account | None:
        name = request.headers.get("x-login")
        return None if name is None else Account(name)

    @app.get("/plain")
    def plain() -> str:
        flask_request.spantap_metrics = {"items": 3, "plan": "gold", "fast": True}  # type: ignore[attr-defined]
        if "x-look" in flask_request.headers:
            flask_login.current_user.is_authenticated  # noqa: B018
        return "plain"

    @app.get("/said")
    def said() -> Any:
        spantap.current().user("of-app")
        return make_response("said", NAMED)

    @app.get("/named")
    def named() -> Any:
        return make_response("named", NAMED)

    return app


@pytest.fixture
def capture() -> Iterator[Callable[..., Any]]:
    handles: list[spantap.Handle] = []

    def play(make: Callable[[], Any], *requests: Any, **settings: Any) -> tuple[list[bytes], list[Exchange]]:
        """What the client gets with capture, which is what it gets without, and the records."""
        wsgi = make is flask
        with served(make(), wsgi=wsgi) as port:
            plain = [ask(port, *each) for each in requests]
        memory = MemorySink()
        handle = spantap.configure(
            destinations=[memory], tracer_provider=TracerProvider(shutdown_on_exit=False), **settings
        )
        handles.append(handle)
        with served(spantap.instrument_app(make()), wsgi=wsgi) as port:
            captured = [ask(port, *each) for each in requests]
        if not settings.get("hide_identity_headers"):
            assert captured == plain
        handle.tap.wait_for_open(30)
        assert handle.flush(30)
        return captured, memory.read()[::-1]

    yield play
    for each in handles:
        each.shutdown(1)


APPS = pytest.mark.parametrize("make", [starlette, fastapi, flask])


@APPS
def test_whoever_says_it_first_is_believed(make: Callable[[], Any], capture: Callable[..., Any]) -> None:
    """The app, the framework, the response's headers, the token: in this order; nothing changes."""
    login = {"X-Login": "of-framework", "X-Look": "1"}
    _, records = capture(
        make,
        ("/said", {**BEARER, **login}),
        ("/plain", {**BEARER, **login}),
        ("/named", BEARER),
        ("/plain", BEARER),
        ("/plain",),
    )

    said, framework, named, token, nobody = (each.identity for each in records)
    assert [said.user, framework.user, named.user] == ["of-app", "of-framework", "of-header"]
    assert [token.user, nobody.user] == ["of-token", None]
    assert (said.company, named.company, named.device) == ("acme", "acme", "phone")
    assert not any(name.startswith("x-spantap") for each in records for name in each.response.headers)


@pytest.mark.setting("data_attribute")
@APPS
def test_facts_of_the_apps_own_on_its_request(make: Callable[[], Any], capture: Callable[..., Any]) -> None:
    """What the app puts on its request is in the record: numbers as metrics, the rest as metadata."""
    _, (record,) = capture(make, ("/plain",))

    assert record.metrics == {"items": 3.0}
    assert record.metadata == {"plan": "gold", "fast": True}


@pytest.mark.setting("data_attribute")
def test_another_attribute(capture: Callable[..., Any]) -> None:
    """DATA_ATTRIBUTE names the attribute; the usual one is nothing special then."""
    _, (record,) = capture(starlette, ("/plain",), data_attribute="other")

    assert not record.metrics


@pytest.mark.setting("hide_identity_headers")
@APPS
def test_headers_for_us_alone(make: Callable[[], Any], capture: Callable[..., Any]) -> None:
    """The client does not get them, the record has what they said, also of requests that are not captured."""
    answers, records = capture(
        make, ("/named",), ("/said",), hide_identity_headers=True, exclude_urls=["/said"]
    )

    assert [each.identity.user for each in records] == ["of-header"]
    assert not any(b"spantap" in each.lower() for each in answers)
    assert all(each.split(b" ")[1] == b"200" for each in answers)


@pytest.mark.setting("user_header", "company_header", "device_header")
@pytest.mark.setting("authorization_headers", "authorization_user_claim")
def test_other_names(capture: Callable[..., Any]) -> None:
    """Headers and the claim may have other names; the usual ones are nothing special then."""
    token = BEARER["Authorization"]
    renamed = {"user_header": "x-drhttp-user", "company_header": "x-co", "device_header": "x-dev"}
    _, (named, claimed, usual) = capture(
        starlette,
        ("/named",),
        ("/plain", {"X-Gate": token, **BEARER}),
        ("/plain", BEARER),
        authorization_headers="x-token, x-gate",
        authorization_user_claim="name",
        **renamed,
    )

    assert (named.identity.user, named.identity.company, named.identity.device) == (None, None, None)
    assert named.response.headers["x-spantap-user"] == ("of-header",)
    assert claimed.identity.user == "of-name"
    assert usual.identity.user is None


@pytest.mark.setting("trusted_proxies", "proxy_header")
@pytest.mark.parametrize("make", [starlette, flask])
@pytest.mark.parametrize(
    ("settings", "client"),
    [
        ({}, "127.0.0.1"),
        ({"trusted_proxies": 1}, "1.2.3.4"),
        ({"trusted_proxies": "127.0.0.0/8,1.2.3.4"}, "6.6.6.6"),
        ({"trusted_proxies": 1, "proxy_header": "forwarded"}, "5.6.7.8"),
    ],
)
def test_the_client_behind_proxies(
    make: Callable[[], Any], settings: dict[str, Any], client: str, capture: Callable[..., Any]
) -> None:
    """The address is the socket's, unless a proxy is trusted: then that stays beside it."""
    headers = {"X-Forwarded-For": "6.6.6.6, 1.2.3.4", "Forwarded": "for=5.6.7.8:90"}

    _, (record,) = capture(make, ("/plain", headers), **settings)

    assert record.client.address == client
    assert record.peer.address == ("127.0.0.1" if settings else None)


def test_a_user_nobody_asked_for(capture: Callable[..., Any]) -> None:
    """Flask-Login's user is not loaded for us."""
    _, (record,) = capture(flask, ("/plain", {"X-Login": "of-framework"}))

    assert record.identity.user is None


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_django(kind: str, tmp_path: Path) -> None:
    """Django's user and session are known once the app has asked for them; nothing varies for us."""
    done = subprocess.run(
        [sys.executable, TESTS / "inbound" / "django_said.py", kind],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert told["captured"] == told["plain"]
    asked, untouched, anonymous, metrics = told["identities"]
    assert asked["user"] == "7"
    assert asked["session"] is not None
    assert told["session_key"] not in json.dumps(told["identities"])
    assert untouched == anonymous == {"user": None, "session": None}
    assert metrics == {"items": 3.0}
    assert "vary: cookie" in told["plain"][0].lower()
    assert "vary" not in told["plain"][1].lower()


@pytest.mark.parametrize("excluded", ["/other", ".*"], ids=["captured", "excluded"])
def test_headers_that_can_be_read_once_are_not_used_up(
    excluded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server gets the headers of an app that hands over an iterator, whether any is hidden or not."""
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", excluded)
    handle = spantap.configure(destinations=[MemorySink()], hide_identity_headers=True)
    pairs = [("content-type", "text/plain"), ("content-length", "2")]
    given: list[tuple[str, str]] = []

    async def once(scope: Any, receive: Any, send: Any) -> None:
        headers = ((name.encode(), value.encode()) for name, value in pairs)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    def wsgi_once(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", iter(pairs))
        return [b"ok"]

    def start_response(status: str, headers: Iterable[tuple[str, str]]) -> Callable[[bytes], object]:
        given.extend(headers)
        return lambda data: None

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    try:
        (start, _) = call(spantap.ASGIMiddleware(once), scope())
        answer = spantap.WSGIMiddleware(wsgi_once)(environ, start_response)
    finally:
        handle.shutdown(1)

    assert list(start["headers"]) == [(name.encode(), value.encode()) for name, value in pairs]
    assert (given, b"".join(answer)) == (pairs, b"ok")
