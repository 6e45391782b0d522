"""How Hypothesis runs here, the servers tests may ask for, and what none must leave to the next."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry import trace
from opentelemetry.util._once import Once

from spantap.guard import logger

# Nothing is timed: a machine may be busy with other things. The same tree gets the same answer wherever
# it is tested; `make fuzz` is there to look somewhere else each time, or SPANTAP_TEST_RANDOM=1.
settings.register_profile(
    "spantap",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get("SPANTAP_TEST_RANDOM"),
)
settings.load_profile("spantap")

pytest_plugins = ["services.fixtures"]


@pytest.fixture(autouse=True)
def _no_provider_is_left() -> Iterator[None]:
    """A test that sets the global provider sets it for itself: FastAPI's own telemetry would use it later."""
    yield
    if trace._TRACER_PROVIDER is not None:
        trace._TRACER_PROVIDER = None
        trace._TRACER_PROVIDER_SET_ONCE = Once()


@pytest.fixture(autouse=True)
def _no_level_is_left() -> Iterator[None]:
    """`debug=True` makes the logger tell everything, for the rest of a process: here, of a test."""
    yield
    logger.setLevel(logging.NOTSET)
    logger.handlers.clear()
