"""The FastAPI door: Starlette's, plus a word with FastAPI's own telemetry.

FastAPI 0.142 and later begins a SERVER span of its own as soon as a tracer provider is set.
If the provider is there only because we set it, and the app asked for nothing, our span is the
one; in every other case FastAPI's stays and the exchange is written on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spantap.inbound import starlette
from spantap.otel.tap import Tap


def instrument(app: Any, tap: Callable[[], Tap]) -> None:
    """Put a door around a FastAPI app; twice is harmless."""
    starlette.instrument(app, tap, framework="FASTAPI", first_request=_settle_telemetry)


def instrument_everywhere(cls: type, tap: Callable[[], Tap] | None) -> None:
    """Put a door around every FastAPI app, when its first connection comes; None: no more."""
    starlette.instrument_everywhere(cls, tap, framework="FASTAPI", first_request=_settle_telemetry)


def uninstrument(app: Any) -> None:
    """Undo `instrument`.

    FastAPI's own telemetry stays off where we switched it off: the provider it would wake up
    for is still there, and still only ours.
    """
    starlette.uninstrument(app)


def _settle_telemetry(app: Any, tap: Tap) -> None:
    config = getattr(app, "_telemetry", None)  # absent before 0.142
    if not isinstance(config, dict) or not tap.tracing.own:
        return
    if (
        config.get("tracing") is True
        and config.get("tracer_provider") is None
        and not config.get("auto_configure")
    ):
        config["tracing"] = False
