"""Which tracer provider, and what describes the service."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NoOpTracerProvider

import spantap


def test_a_resource_detector_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """What describes the service comes from the environment when a detector raises; capture goes on."""

    def create(attributes: Any) -> Resource:
        raise ValueError("a detector with raise_on_error")

    monkeypatch.setattr(Resource, "create", create)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    handle = spantap.configure(destinations=[], tracer_provider=NoOpTracerProvider())
    try:
        attributes = handle.tap.tracing.resource.attributes
    finally:
        handle.shutdown(1)

    assert attributes["service.name"] == "shop"
    assert attributes["telemetry.distro.name"] == "spantap"
