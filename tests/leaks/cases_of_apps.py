"""What the app does with a secret that came in: echoes, errors, spans, logs, calls to others."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

import spantap
from leaks.cases_of_bodies import FORM
from leaks.cases_of_peers import JSON
from leaks.planting import Asked, Plant, answering, case, get, post

TRACER = trace.get_tracer("shop")


class PaymentError(Exception):
    pass


def _echoing(echo: Callable[[str], str], content_type: str, name: str) -> Callable[[Plant], Asked]:
    def made(plant: Plant) -> Asked:
        secret = plant.phrase(name, "<&é'" if "awkward" in name else " ")
        asked = post(json.dumps({"user": "ann", "password": secret}), JSON)
        return replace(asked, reply=answering(echo(secret), content_type, status=422).reply)

    return made


def _add_echoes() -> None:
    from leaks.planting import CASES

    echoes: dict[str, tuple[str, Callable[[str], str]]] = {
        "echo: pydantic": (
            JSON,
            lambda s: json.dumps({"detail": [{"loc": ["body", "password"], "input": s, "type": "short"}]}),
        ),
        "echo: under a name that says nothing": (JSON, lambda s: json.dumps({"value": s})),
        "echo: in a sentence": (JSON, lambda s: json.dumps({"detail": f"{s} is too short"})),
        "echo: problem+json": (
            "application/problem+json",
            lambda s: json.dumps({"instance": f"/u/{quote(s)}"}),
        ),
        "echo: text": ("text/plain", lambda s: f"{s} is too short"),
        "echo: HTML": ("text/html", lambda s: f"<p>{html.escape(s)} is too short</p>"),
        "echo: form": (FORM, lambda s: f"was={quote(s)}"),
        "echo: awkward letters in HTML": ("text/html", lambda s: f"<p>{html.escape(s)} is too short</p>"),
        "echo: awkward letters in JSON": (JSON, lambda s: json.dumps({"was": s})),
        "echo: escaped letters": (JSON, lambda s: '{"was":"' + "".join(f"\\u{ord(c):04x}" for c in s) + '"}'),
        "echo: a list of words": (JSON, lambda s: json.dumps({"was": s, "n": [1, s]})),
    }
    for number, (name, (content_type, echo)) in enumerate(echoes.items()):
        CASES[f"echo-{number}"] = _echoing(echo, content_type, name)


_add_echoes()


@case
def echo_of_basic(plant: Plant) -> Asked:
    secret = plant.secret("echo: of Basic, decoded")
    basic = base64.b64encode(f"ann:{secret}".encode()).decode()
    reply = answering(f"user ann, {secret}: wrong", "text/plain", status=401).reply
    return replace(get("", ("Authorization", f"Basic {basic}")), reply=reply)


@case
def echo_of_query(plant: Plant) -> Asked:
    secret = plant.phrase("echo: of the query, in a header")
    reply = answering("ok", "text/plain", ("X-Was", secret)).reply
    return replace(get(f"password={quote(secret)}"), reply=reply)


def _raising(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


def _failing(
    name: str, error: Callable[[str], Exception], cause: Callable[[str], Exception] | None = None
) -> Any:
    def made(plant: Plant) -> Asked:
        secret = plant.phrase(name, "-and-one-more-word-" if "cut" in name else " ")
        asked = post(f"user=ann&password={quote(secret)}", FORM)
        return replace(asked, act=lambda: _raising(error(secret), cause(secret) if cause else None))

    return made


def _add_errors() -> None:
    from leaks.planting import CASES

    def noted(secret: str) -> Exception:
        error = PaymentError("no")
        if hasattr(error, "add_note"):  # since Python 3.11
            error.add_note(f"the body was user=ann&password={secret}")
        return error

    errors: dict[str, tuple[Callable[[str], Exception], Callable[[str], Exception] | None]] = {
        "error: quotes the value": (lambda s: PaymentError(f"{s} is not allowed"), None),
        "error: quotes its repr": (lambda s: ValueError(f"invalid: {s!r}"), None),
        "error: a key": (lambda s: KeyError(s), None),
        "error: quotes the form": (lambda s: PaymentError(f"cannot read user=ann&password={quote(s)}"), None),
        "error: the cause": (lambda s: PaymentError("no"), lambda s: ValueError(f"{s} is wrong")),
        "error: a note": (noted, None),
        "error: a dict": (lambda s: PaymentError({"user": "ann", "was": s}), None),
        "error: a lot": (lambda s: PaymentError("x " * 4080 + s), None),
        "error: cut in the middle, as pydantic does": (
            lambda s: ValueError(f"input_value={s[:25] + '...' + s[-24:]!r}"),
            None,
        ),
        "error: unicode": (lambda s: UnicodeDecodeError("utf-8", s.encode(), 0, 1, f"bad {s}"), None),
    }
    for number, (name, (error, cause)) in enumerate(errors.items()):
        CASES[f"error-{number}"] = _failing(name, error, cause)


_add_errors()


@case
def error_nobody_sent(plant: Plant) -> Asked:
    url = f"postgresql://shop:{plant.secret('error: a database URL')}@db.test/shop"
    key = plant.secret("error: a named value")
    return Asked("GET", act=lambda: _raising(PaymentError(f"cannot connect to {url} with api_key={key}")))


@case
def error_of_headers(plant: Plant) -> Asked:
    secret = plant.secret("error: of a header")
    return replace(
        get("", ("X-Api-Key", secret)), act=lambda: _raising(PermissionError(f"no such key: {secret}"))
    )


@case
def said_by_the_app(plant: Plant) -> Asked:
    token, inner = plant.secret("metadata: token"), plant.secret("metadata: nested")
    user, metric = plant.jwt("user: a JWT"), plant.github("metric: a token")

    def act() -> None:
        current = spantap.current()
        current.metadata(api_token=token, plan={"password": inner}).user(user).metric(metric, 1)

    return Asked("GET", act=act)


@case
def on_the_span(plant: Plant) -> Asked:
    """What the app writes on the SERVER span itself."""
    attribute = plant.secret("span: attribute")
    url = plant.secret("span: url.full")
    old_url = plant.secret("span: http.url")
    target = plant.secret("span: http.target")
    query = plant.secret("span: url.query")
    header = plant.secret("span: header with underscores")
    event = plant.secret("span: event")
    named = plant.github("span: name of an event")
    recorded = plant.secret("span: recorded exception")
    status = plant.secret("span: status")
    link = plant.secret("span: link")
    renamed = plant.secret("span: name")

    def act() -> None:
        span = trace.get_current_span()
        span.set_attributes(
            {
                "user.api_token": attribute,
                "url.full": f"https://x.test/?token={url}",
                "http.url": f"https://ann:{old_url}@x.test/",
                "http.target": f"/a?password={target}",
                "url.query": f"sig={query}",
                "http.request.header.x_api_key": (header,),
            }
        )
        span.add_event(f"login {named}", {"password": event})
        span.record_exception(ValueError(f"token={recorded}"))
        span.add_link(SpanContext(1, 2, is_remote=False), {"authorization": link})
        span.set_status(Status(StatusCode.ERROR, f"password={status} refused"))
        span.update_name(f"GET /a?token={renamed}")

    return Asked("GET", act=act)


@case
def beneath(plant: Plant) -> Asked:
    """Spans of other instrumentations beneath ours: databases, messages, clients."""
    sql = plant.secret("child: SQL")
    parameters = plant.secret("child: SQL parameters")
    url = plant.secret("child: URL")
    redis = plant.secret("child: Redis")
    message = plant.secret("child: message")
    rpc = plant.secret("child: RPC metadata")

    def act() -> None:
        with TRACER.start_as_current_span(
            f"GET /?token={url}",
            kind=SpanKind.CLIENT,
            attributes={
                "db.statement": f"UPDATE users SET password = '{sql}'",
                "db.query.parameter.password": parameters,
                "url.full": f"https://ann:{url}@x.test/?token={url}",
                "db.query.text": f"AUTH password={redis}",
                "messaging.message.body": json.dumps({"token": message}),
                "rpc.grpc.request.metadata.authorization": (f"Bearer {rpc}",),
            },
        ) as span:
            span.add_event("sent", {"peer": f"token={message}"})

    return Asked("GET", act=act)


@case
def child_that_fails(plant: Plant) -> Asked:
    secret, known = plant.secret("child: exception"), plant.phrase("child: exception, known from the body")

    def act() -> None:
        with contextlib.suppress(PaymentError), TRACER.start_as_current_span("charge", links=[
            Link(SpanContext(3, 4, is_remote=False), {"token": secret})
        ]):  # fmt: skip
            raise PaymentError(f"token={secret} of {known} refused")

    return replace(post(json.dumps({"password": known}), JSON), act=act)


@case
def skipped(plant: Plant) -> Asked:
    """Of what is not kept, the plain span still goes where spans go."""
    secret = plant.phrase("error: of a request that is skipped")

    def act() -> None:
        spantap.current().skip()
        raise PaymentError(f"{secret} refused")

    return replace(post(json.dumps({"password": secret}), JSON), act=act)


@case
def call(plant: Plant) -> Asked:
    """A client span of contrib's, and the exception in it, which quotes the URL."""
    user, token = plant.secret("call: userinfo"), plant.secret("call: query")
    header = plant.secret("call: header")

    def act() -> None:
        import requests

        with contextlib.suppress(requests.RequestException):
            url = f"http://ann:{user}@127.0.0.1:9/pay?token={token}"
            requests.get(url, headers={"Authorization": f"Bearer {header}"}, timeout=5)

    return Asked("GET", act=act)


@case
def log(plant: Plant) -> Asked:
    """A log record with the trace's context: spantap exports no logs."""
    secret = plant.secret("log record")
    return Asked("GET", act=lambda: logging.getLogger("shop").warning("password=%s", secret))


@case
def misused(plant: Plant) -> Asked:
    """Calls with arguments that are no good: what is said of them must not quote them."""
    secret = plant.secret("spantap.current(), misused")

    def act() -> None:
        class Unspeakable:
            def __str__(self) -> str:
                raise ValueError(secret)

        current: Any = spantap.current()
        current.metadata(token=Unspeakable())
        with contextlib.suppress(ValueError):
            current.user(Unspeakable())
        with contextlib.suppress(ValueError):
            current.metric("n", secret)

    return Asked("GET", act=act)
