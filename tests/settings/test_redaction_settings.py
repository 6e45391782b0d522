"""The settings of redaction: read, checked together, and seen at work on a real exchange."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.sdk.trace import TracerProvider

import spantap
from asgi_client import call, responding, scope
from spantap import configuration, reporting
from spantap.export.memory import MemorySink
from spantap.model import Exchange
from spantap.settings import Settings, load, read

KEY = "s3cr3t-k3y-of-hashes"
SHORT = "s3cr3t"
LOOPBACK = "8d37cca2670502dd348ca1a1713b34e09a8189104ab7e30e19e954e25d7a89a9"
BEARER = "fbe47ec4c3383df5c116ffd81b4215e79271638d4b71e4e0ce607bdb8f29b92c"


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    if configuration._handle is not None:
        configuration._handle.shutdown(1)


def problems(environ: dict[str, str], **keywords: Any) -> dict[str, str]:
    variables = {f"OTEL_PYTHON_SPANTAP_{name}": value for name, value in environ.items()}
    with pytest.raises(spantap.ConfigurationError) as caught:
        load(keywords, variables)
    assert KEY not in str(caught.value)
    return {each.setting.removeprefix("OTEL_PYTHON_SPANTAP_"): str(each) for each in caught.value.problems}


def captured(
    body: bytes = b"{}",
    query: str = "",
    headers: list[tuple[str, str]] | None = None,
    answer: bytes = b"{}",
    app: Any = None,
    **settings: Any,
) -> Exchange:
    """The record of one request to an app with these settings."""
    memory = MemorySink()
    provider = TracerProvider(shutdown_on_exit=False)
    handle = spantap.configure(destinations=[memory], tracer_provider=provider, **settings)
    lines = [("content-type", "application/json"), *(headers or [])]
    call(spantap.instrument_app(app or responding(answer)), scope("POST", "/orders/7", lines, query), body)
    assert handle.shutdown(10)
    (exchange,) = memory.read()
    return exchange


def naming_alice() -> Any:
    """An app that says who its user is."""
    answer = responding(b"{}")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        current = spantap.current()
        current.user("alice")
        current.session("s-1")
        await answer(scope, receive, send)

    return app


@pytest.mark.setting("redact_rules")
def test_rules_of_ones_own() -> None:
    """REDACT_RULES does what it says, in its places, on its paths, and is counted."""
    rules = "name: body $.user.name; /orders/* query q drop; /else query r drop; header x-tribe hash"
    exchange = captured(
        b'{"user":{"name":"Ada","n":1}}',
        "q=1&r=2",
        [("x-tribe", "Bearer abc")],
        b'{"user":{"name":"Bob"}}',
        redact_rules=rules,
        hash_key=SHORT,
    )

    assert exchange.request.body.content == '{"user":{"name":"[REDACTED]","n":1}}'
    assert exchange.response.body.content == '{"user":{"name":"[REDACTED]"}}'
    assert exchange.request.query == "r=2"
    assert exchange.request.headers["x-tribe"] == (BEARER,)
    assert exchange.redactions == {"name": 2, "rule_2": 1, "rule_4": 1}


def test_rules_in_a_file_are_tables(tmp_path: Path) -> None:
    """spantap.toml has a table for each rule, or one line."""
    (tmp_path / "spantap.toml").write_text(
        'redact_rules = ["query q drop", {name = "iban", path = "/a/*", field = "request.body", '
        'select = "$..iban", action = "keep"}]'
    )
    rules = read({}, {}, tmp_path).settings.redact_rules

    assert list(map(str, rules)) == [
        "rule_1: request.query q drop",
        "iban: /a/* request.body $..iban keep",
    ]


@pytest.mark.setting("redaction_mode")
def test_only_what_is_listed() -> None:
    """REDACTION_MODE=allow masks everything no rule keeps; types and the standard's own headers stay."""
    exchange = captured(
        b'{"id":7,"name":"Ada","ok":true}',
        "page=1&q=x",
        [("x-tribe", "blue"), ("accept", "*/*")],
        b"plain words",
        redaction_mode="allow",
        redact_rules="body $.id keep; query page keep",
    )

    assert exchange.request.body.content == '{"id":7,"name":"[REDACTED]","ok":false}'
    assert exchange.request.query == "page=1&q=REDACTED"
    assert exchange.request.headers["x-tribe"] == ("[REDACTED]",)
    assert exchange.request.headers["accept"] == ("*/*",)
    assert exchange.response.body.withheld == "malformed"


def test_what_an_exception_says_is_not_listed() -> None:
    """In allow-list mode the class and the way it took are shown, not its words."""

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no room for Ada Lovelace")

    memory = MemorySink()
    handle = spantap.configure(
        destinations=[memory], tracer_provider=TracerProvider(shutdown_on_exit=False), redaction_mode="allow"
    )
    with pytest.raises(ValueError, match="Lovelace"):
        call(spantap.instrument_app(failing), scope("GET", "/a"))
    assert handle.shutdown(10)

    (exchange,) = memory.read()
    assert exchange.error is not None
    assert (exchange.error.type, exchange.error.message) == ("ValueError", "[REDACTED]")


@pytest.mark.setting("redact_values")
def test_values_on_demand() -> None:
    """REDACT_VALUES masks e-mail addresses and telephone numbers wherever they stand."""
    body = b'{"note":"write to ada@example.com or call +44 20 7946 0958"}'

    assert captured(body).request.body.content == body.decode()
    exchange = captured(body, "to=ada%40example.com", redact_values="email, phone")
    assert exchange.request.body.content == '{"note":"write to [REDACTED] or call [REDACTED]"}'
    assert exchange.request.query == "to=REDACTED"
    assert exchange.redactions == {"email": 2, "phone": 1}


@pytest.mark.setting("hash", "hash_key", "hash_key_id")
def test_who_is_behind_it_is_hashed() -> None:
    """With a key, user and address are hashed; HASH says otherwise; the key is named beside the hashes."""
    forwarded = [("x-forwarded-for", "127.0.0.1")]
    plain = captured(app=naming_alice(), headers=forwarded)
    hashed = captured(app=naming_alice(), headers=forwarded, hash_key=SHORT, hash_key_id="2026-11")
    chosen = captured(app=naming_alice(), headers=forwarded, hash_key=SHORT, hash="session")

    assert (plain.identity.user, plain.client.address, plain.hash_key_id) == ("alice", "127.0.0.1", None)
    assert (hashed.identity.user, hashed.identity.session) == (None, "s-1")
    assert hashed.identity.user_hash is not None
    assert len(hashed.identity.user_hash) == 64
    assert hashed.client.address == LOOPBACK
    assert hashed.request.headers["x-forwarded-for"] == (LOOPBACK,)
    assert hashed.hash_key_id == "2026-11"
    assert "alice" not in repr(hashed)
    assert "127.0.0.1" not in repr(hashed).replace("host", "")
    assert (chosen.identity.user, chosen.client.address) == ("alice", "127.0.0.1")
    assert chosen.identity.session not in (None, "s-1")


@pytest.mark.setting("hash_key_file")
def test_the_key_in_a_file(tmp_path: Path) -> None:
    """HASH_KEY_FILE names a file with the key; line ends around it do not count."""
    (tmp_path / "key").write_text(f"{SHORT}\n")

    assert captured(hash_key_file=tmp_path / "key").client.address == LOOPBACK


def test_what_is_wrong_is_told_at_once() -> None:
    """Each rule by number, each setting by name; secrets are not shown."""
    found = problems(
        {
            "REDACT_RULES": "bdy $.x; query q; header $.x",
            "REDACTION_MODE": "alow",
            "REDACT_VALUES": "emial",
            "HASH": "usr",
            "HASH_KEY_URL": f"https://user:{KEY}@vault.test/key",
            "HASH_KEY_HEADERS": KEY,
        }
    )

    assert "did you mean body?" in found["REDACT_RULES, rule 1"]
    assert "'header $.x'" in found["REDACT_RULES, rule 3"]
    assert "did you mean allow?" in found["REDACTION_MODE"]
    assert "did you mean email?" in found["REDACT_VALUES"]
    assert "did you mean user?" in found["HASH"]
    assert "leave secrets out" in found["HASH_KEY_URL"]
    assert "***" in found["HASH_KEY_HEADERS"]


@pytest.mark.parametrize(
    ("environ", "setting", "said"),
    [
        ({"HASH": "user"}, "HASH", "there is no key"),
        ({"REDACT_RULES": "body $.a hash"}, "REDACT_RULES", "there is no key"),
        ({"HASH_KEY_ID": "a"}, "HASH_KEY_ID", "there is no key"),
        ({"HASH_KEY_FILE": "/nowhere/key"}, "HASH_KEY_FILE", "cannot be read"),
        ({"HASH_KEY_URL": "vault.test/key"}, "HASH_KEY_URL", "http:// or https://"),
        ({"HASH_KEY_URL": f"https://vault.test/?token={KEY}"}, "HASH_KEY_URL", "leave secrets out"),
        ({"HASH_KEY": KEY, "HASH": "none"}, "HASH_KEY", "nothing is hashed"),
        ({"HASH_KEY": KEY, "HASH_KEY_URL": "https://a.test"}, "HASH_KEY_URL", "not both"),
        ({"HASH_KEY": KEY, "HASH_KEY_HEADERS": f"a={KEY}"}, "HASH_KEY_HEADERS", "no URL"),
    ],
)
def test_settings_that_do_not_agree_are_told(environ: dict[str, str], setting: str, said: str) -> None:
    """A hash without a key, a key without a hash, two keys."""
    assert said in problems(environ)[setting]


def test_the_key_shows_nowhere() -> None:
    """Neither settings, their rows, reports, differences nor doctor tell the key or what opens its door."""
    settings = load({}, {"OTEL_PYTHON_SPANTAP_HASH_KEY": KEY})
    loaded = read({"hash_key_url": "https://vault.test/key", "hash_key_headers": {"x-api-key": KEY}}, {})
    shown = {row.name: reporting.shown(row) for row in loaded.rows()}
    spantap.configure(hash_key=KEY)
    with pytest.raises(spantap.ConfigurationError) as caught:
        spantap.configure(hash_key=KEY + "2")
    done = subprocess.run(
        [Path(sys.executable).parent / "spantap", "doctor", "--json"],
        env={**os.environ, "OTEL_PYTHON_SPANTAP_HASH_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert KEY not in repr(settings) + repr(loaded) + str(shown) + str(caught.value)
    assert (shown["hash_key_headers"], shown["hash_key"]) == ("set", "not set")
    assert KEY not in done.stdout + done.stderr
    rows = {each["name"]: each["value"] for each in orjson.loads(done.stdout)["settings"]}
    assert rows["hash_key"] == "set"
    assert settings != Settings()
