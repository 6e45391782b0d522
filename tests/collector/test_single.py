"""`otel-collector-config.yaml` on a real collector: what it writes is what was captured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.test_attributes import span
from collector import conftest
from collector.build import VARIABLE
from collector.running import DEPLOY, SINGLE, Collector, by_id, validated
from deployment.apps import APPS, SECRETS
from deployment.serving import BOTH, GUNICORN, INSTRUMENT, UVICORN, defaults, post, sent, served, wait_for
from exchanges import exchanges
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange
from spantap.otel.otlp_grpc import OTLPOverGRPC
from spantap.otel.otlp_http import OTLPOverHTTP

# What the official distribution `otelcol` is made of (opentelemetry-collector-releases, 0.159.0).
CORE: Final = {
    "receivers": {"nop", "otlp", "hostmetrics", "jaeger", "kafka", "prometheus", "zipkin"},
    "processors": {
        "batch",
        "memory_limiter",
        "attributes",
        "resource",
        "span",
        "probabilistic_sampler",
        "filter",
    },
    "exporters": {
        "debug",
        "nop",
        "otlp_grpc",
        "otlp_http",
        "file",
        "kafka",
        "prometheus",
        "prometheusremotewrite",
        "zipkin",
    },
    "connectors": {"forward"},
    "extensions": {"zpages", "health_check", "pprof"},
}
REQUESTS: Final = 20


def components(configuration: Path) -> dict[str, set[str]]:
    """Section -> the types of the components in it."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in configuration.read_text().splitlines():
        if top := re.match(r"(\w+):", line):
            section = top[1]
        elif (inner := re.match(r"  ([a-z_]+)(?:/\w+)?:", line)) and section != "service":
            found.setdefault(section, set()).add(inner[1])
    return found


def test_it_runs_on_any_collector() -> None:
    """The file names components of the core distribution only; the two tiers need more."""
    found = components(SINGLE)

    assert found == {
        "receivers": {"otlp"},
        "processors": {"memory_limiter"},
        "exporters": {"debug", "file"},
        "extensions": {"health_check"},
    }
    assert all(names <= CORE[section] for section, names in found.items())
    assert not components(DEPLOY / "agent.yaml")["exporters"] <= CORE["exporters"]


def test_it_listens_on_loopback() -> None:
    """Every address in the files is on loopback until the environment says otherwise."""
    for path in (SINGLE, DEPLOY / "agent.yaml", DEPLOY / "gateway.yaml"):
        listening = re.findall(r"^ +(?:endpoint|host): (\S+)$", path.read_text(), re.MULTILINE)
        hosts = [each for each in listening if not each.startswith(("${env:BACKEND", "${env:GATEWAY"))]
        assert hosts
        assert all(each.startswith(("${env:COLLECTOR_HOST:-127.0.0.1}", "127.0.0.1:")) for each in hosts)


@pytest.mark.parametrize(
    "files",
    [
        (SINGLE,),
        (DEPLOY / "agent.yaml",),
        (DEPLOY / "gateway.yaml",),
        (DEPLOY / "gateway.yaml", DEPLOY / "gateway-kafka-clickhouse.yaml"),
    ],
    ids=lambda files: files[-1].stem,
)
def test_valid(program: Path, files: tuple[Path, ...]) -> None:
    """A collector takes the file, and nothing in it is on its way out."""
    done = validated(program, *files)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_validation_finds_mistakes(program: Path) -> None:
    """What is not a setting is not let through."""
    done = validated(program, SINGLE, "yaml:exporters::debug::loud: true")

    assert done.returncode != 0
    assert "loud" in done.stderr


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize(("app", "command"), [("fastapi", UVICORN), ("flask", GUNICORN)])
@pytest.mark.matrix
def test_what_is_captured_is_what_it_writes(
    program: Path, tmp_path: Path, app: str, command: list[str], protocol: str
) -> None:
    """Every exchange of an app comes to the collector's file as it is in the store, bodies and all, clean."""
    (tmp_path / "app.py").write_text(APPS[app])
    with Collector.single(program, tmp_path / "collector") as collector:
        address = collector.grpc if protocol == "grpc" else collector.http
        environ = {
            **defaults(),
            **BOTH,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}",
        }
        with served(tmp_path, [INSTRUMENT, *command, "app:app"], environ) as (server, port):
            answers = [post(port, number) for number in range(REQUESTS)]
            server.terminate()
            server.wait(60)
        wait_for(lambda: len(collector.exchanges()) >= REQUESTS, lambda: collector.log)
        collector.stop()

    stored = SQLiteSink(tmp_path / "spantap.db").read()
    written = {each.span_id: each for each in collector.exchanges()}
    assert [each.status for each in answers] == [200] * REQUESTS
    # The first request's span is FastAPI's own, and has the times FastAPI gave it.
    of_fastapi = [each.request.path for each in stored if written[each.span_id].timing != each.timing]
    assert set(of_fastapi) <= ({"/echo/0"} if app == "fastapi" else set())
    stored = [
        replace(each, timing=written[each.span_id].timing) if each.request.path in of_fastapi else each
        for each in stored
    ]
    assert by_id(collector.exchanges()) == by_id(stored)
    assert len(stored) == REQUESTS
    masked = {**sent(7), "password": "[REDACTED]"}
    (seventh,) = (each for each in stored if each.request.path == "/echo/7")
    assert str(masked["password"]) in str(seventh.response.body.content)
    # What it prints has bodies, too, and no secret.
    said = collector.log + (collector.folder / "spans.jsonl").read_text()
    assert "http.response.body.content: Str(" in said
    assert not [name for name, secret in SECRETS.items() if secret in said]


@pytest.fixture(scope="module")
def running(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that writes at once."""
    folder = tmp_path_factory.mktemp("collector")
    with Collector.single(program, folder, file={"flush_interval": "20ms"}) as collector:
        yield collector


@given(
    each=st.lists(exchanges(), min_size=1, max_size=8, unique_by=lambda each: each.span_id),
    over_grpc=st.booleans(),
)
@settings(max_examples=20)
def test_any_exchange(running: Collector, each: list[Exchange], over_grpc: bool) -> None:
    """Whatever an exchange holds is read back from what a collector has written of it."""
    before = len(running.exchanges())
    delivery = (
        OTLPOverGRPC(endpoint=f"http://{running.grpc}")
        if over_grpc
        else OTLPOverHTTP(endpoint=f"http://{running.http}/v1/traces")
    )

    assert delivery.deliver([span(one) for one in each]) == {}
    delivery.close()

    wait_for(lambda: len(running.exchanges()) >= before + len(each), lambda: running.log)
    assert by_id(running.exchanges()[before:]) == by_id([replace(one, sampled=True) for one in each])


def test_nobody_runs_without_it_unnoticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a collector a test is skipped and says how to get one; in the gate it fails."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="make collector"):
        conftest.wanted()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="make collector"):
        conftest.wanted()
    monkeypatch.setenv("CI", "")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(pytest.fail.Exception, match="names no file"):
        conftest.wanted()
