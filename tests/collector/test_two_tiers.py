"""The files in `deploy/` at work: an agent and two gateways, and what comes of every span."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from collector.running import by_id
from collector.two_tiers import GATEWAYS, SPANS, Services, TwoTiers, bodies
from deployment.serving import wait_for
from spantap.model import Exchange

pytestmark = pytest.mark.matrix

# Traces of each kind; `make conformance` sends more.
TRACES: Final = int(os.environ.get("SPANTAP_TEST_TRACES", "20"))
SERVICES: Final = 2
SECONDS: Final = 180.0
ACCEPTED: Final = "otelcol_receiver_accepted_spans"


def ids(exchanges: list[Exchange]) -> list[str]:
    return sorted(each.span_id for each in exchanges)


def test_what_is_kept(program: Path, tmp_path: Path) -> None:
    """Traces with an error, slow ones and a watched user's are kept, the rest is counted; payments stay."""
    with TwoTiers(program, tmp_path, DECISION_WAIT="5s") as tiers:
        services = Services(tmp_path, tiers.agent)
        kept: set[str] = set()
        with services.running():
            for number in range(TRACES):
                services.trace("plain", number)
                kept.update(services.trace(how, number) for how in ("fails", "watched", "slow"))
        kept |= services.slower(int(GATEWAYS["SLOW_MILLISECONDS"]))  # the machine may be busy
        sent = TRACES * 4 * SERVICES * SPANS
        wait_for(lambda: tiers.taken() >= sent, tiers.log, SECONDS)
        wait_for(lambda: tiers.calls() >= sent, tiers.log, SECONDS)
        expected = len(kept) * SPANS
        wait_for(lambda: sum(tiers.at_backend().values()) >= expected, tiers.log, SECONDS)
        for each in tiers.gateways:
            each.stop()  # it writes what it has
        at_backend, calls = tiers.at_backend(), tiers.calls()
        first, second = ({each.trace_id for each in one.exchanges("kept.jsonl")} for one in tiers.gateways)

        # Metrics are of all spans; what was to be kept is there, each span once.
        assert calls == sent == TRACES * 16
        assert set(at_backend.values()) == {1}
        assert len(at_backend) == expected
        assert bodies(tiers.backend) == len(kept)
        # As they were captured, and each trace at one gateway.
        of_shop = [each for each in services.stored("shop") if each.trace_id in kept]
        of_payments = [each for each in services.stored("payments") if each.trace_id in kept]
        assert by_id(tiers.exchanges()) == by_id(of_shop)
        assert by_id(tiers.exchanges("restricted.jsonl")) == by_id(of_payments)
        assert first | second == kept
        assert first
        assert second
        assert not first & second
        assert "correct-horse" not in repr(tiers.backend.bodies)


def test_a_gateway_is_killed(program: Path, tmp_path: Path) -> None:
    """What it held to decide on is lost, as its own count says, and not a span more; none comes twice."""
    settings = {"DECISION_WAIT": "600s", "BASELINE_PERCENT": "100", "RESTRICTED_SERVICES": "nobody"}
    with TwoTiers(program, tmp_path, **settings) as tiers:
        services = Services(tmp_path, tiers.agent)
        first, second = tiers.gateways
        half = TRACES * 2
        with services.running():
            before = {services.trace("plain", number) for number in range(half)}
            wait_for(lambda: tiers.taken() == half * SERVICES * SPANS, tiers.log, SECONDS)
            held = second.counted(ACCEPTED)
            second.kill()
            for number in range(half):
                services.trace("plain", half + number)
        # The other one is not kept waiting.
        its_own = tiers.agent.counted(ACCEPTED, 'receiver="otlp/gateway_1"')
        wait_for(lambda: first.counted(ACCEPTED) == its_own, tiers.log, SECONDS)
        second.start()
        all_sent = 2 * half * SERVICES * SPANS
        wait_for(lambda: tiers.taken() >= all_sent - held, tiers.log, SECONDS)
        for each in (tiers.agent, first, second):
            each.stop()  # a gateway decides on what it has, then; the backend may get it after its next start
        for each in tiers.gateways:
            each.start()
        wait_for(lambda: len(tiers.at_backend()) >= all_sent - held, tiers.log, SECONDS)
        stored = services.stored()
        at_backend = tiers.at_backend()
        lost = [each for each in stored if each.span_id not in at_backend]

        assert 0 < held < half * SERVICES * SPANS
        assert set(at_backend.values()) == {1}
        assert len(at_backend) + held == all_sent
        assert len(lost) * SPANS == held
        assert {each.trace_id for each in lost} <= before
        assert by_id(tiers.exchanges()) == by_id([each for each in stored if each not in lost])


def test_the_agent_is_killed(program: Path, tmp_path: Path) -> None:
    """With no gateway in reach an agent keeps what it was given; killed and started again, it has it all."""
    with TwoTiers(program, tmp_path, BASELINE_PERCENT="100", RESTRICTED_SERVICES="nobody") as tiers:
        services = Services(tmp_path, tiers.agent)
        for each in tiers.gateways:
            each.kill()
        with services.running():
            for number in range(TRACES * 2):
                services.trace("plain", number)
        tiers.agent.kill()
        tiers.agent.start()
        for each in tiers.gateways:
            each.start()
        sent = TRACES * 2 * SERVICES * SPANS
        wait_for(lambda: len(tiers.at_backend()) >= sent, tiers.log, SECONDS)
        for each in tiers.gateways:
            each.stop()

        assert set(tiers.at_backend().values()) == {1}
        assert len(tiers.at_backend()) == sent
        assert by_id(tiers.exchanges()) == by_id(services.stored())


SECRETS: Final = {
    "http.request.header.authorization": ["Bearer s3cret-of-authorization"],
    "http.request.header.cookie": ["sid=s3cret-of-cookie"],
    "http.response.header.set-cookie": ["sid=s3cret-of-set-cookie", "b=s3cret-of-the-second"],
    "http.request.header.x-api-key": ["s3cret-of-x-api-key"],
    "http.request.body.content": '{"user": "ada", "password" : "s3cret-of-\\"body"}',
    "http.response.body.content": '{"access_token":"s3cret-of-response"}',
    "url.query": "page=2&token=s3cret-of-query",
    "url.full": "http://shop/?sig=s3cret-of-url#top",
    "note": "card 4111 1111 1111 1111, key AKIAIOSFODNN7EXAMPLE",
}


def test_the_second_line(program: Path, tmp_path: Path) -> None:
    """What other instrumentations put on spans is masked; their health checks are left out."""
    with TwoTiers(program, tmp_path) as tiers:
        provider = TracerProvider(resource=Resource({"service.name": "other"}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(f"http://{tiers.agent.http}/v1/traces")
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("other")
        for path in ("/healthz", "/orders"):
            with tracer.start_as_current_span(path, kind=SpanKind.SERVER) as span:
                span.set_attributes({"url.path": path, **SECRETS})
                span.set_status(Status(StatusCode.ERROR))
        provider.shutdown()
        wait_for(lambda: tiers.at_backend(), tiers.log, SECONDS)
        for each in (tiers.agent, *tiers.gateways):
            each.stop()
        (kept,) = tiers.backend.spans()
        files = "".join(
            (each.folder / name).read_text()
            for each in tiers.gateways
            for name in ("kept.jsonl", "restricted.jsonl")
        )

        assert kept.name == "/orders"
        for text in (str(kept), files):
            assert "s3cret" not in text
            assert "4111" not in text
            assert "AKIA" not in text
            assert "[REDACTED]" in text
            assert "page=2&token=REDACTED" in text.replace("\\u0026", "&")
