"""OpenTelemetry's own instrumentation of a client, and nobody who has set up a tracer provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.utils import suppress_http_instrumentation

from outbound.conftest import Sent
from outbound.far_server import FarServer


@pytest.fixture
def contrib() -> Iterator[Any]:
    """Requests, instrumented by OpenTelemetry."""
    instrumentor: Any = RequestsInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    instrumentor.uninstrument()


@pytest.mark.usefixtures("contrib")
def test_the_first_request_of_all_sets_up_the_provider(sent: Sent, far: FarServer) -> None:
    """Where there is no provider yet, theirs begins no span, and suppresses ours: we capture all the same."""
    sent.start("requests")

    for _ in range(2):
        assert requests.get(far.url).json() == {}

    assert [each.response.status for each in sent.exchanges] == [200, 200]
    assert all("traceparent" in each.headers for each in far.asked)


@pytest.mark.usefixtures("contrib")
def test_what_the_app_suppresses_is_left_alone(sent: Sent, far: FarServer) -> None:
    """Nothing is captured where the app itself suppresses instrumentation."""
    sent.start("requests")

    with suppress_http_instrumentation():
        assert requests.get(far.url).json() == {}

    assert sent.exchanges == []
