"""spantap: see what really went over the wire.

Whole HTTP exchanges, clean of secrets, as OpenTelemetry spans. Importing this does nothing
else; each name is loaded when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spantap.version import __version__

if TYPE_CHECKING:
    from spantap.configuration import Handle as Handle
    from spantap.configuration import configure as configure
    from spantap.configuration import instrument_app as instrument_app
    from spantap.configuration import instrument_clients as instrument_clients
    from spantap.configuration import uninstrument_app as uninstrument_app
    from spantap.configuration import uninstrument_clients as uninstrument_clients
    from spantap.extension import Spantap as Spantap
    from spantap.middleware import ASGIMiddleware as ASGIMiddleware
    from spantap.middleware import DjangoMiddleware as DjangoMiddleware
    from spantap.middleware import WSGIMiddleware as WSGIMiddleware
    from spantap.model import ConfigurationError as ConfigurationError
    from spantap.model import SpantapError as SpantapError
    from spantap.otel.current import Current as Current
    from spantap.otel.current import current as current
    from spantap.policy.destination import DestinationPolicy as DestinationPolicy
    from spantap.policy.mask import EditableExchange as EditableExchange
    from spantap.policy.view import RawExchange as RawExchange
    from spantap.reporting import Stats as Stats

_HOMES = {
    "ASGIMiddleware": "spantap.middleware",
    "ConfigurationError": "spantap.model",
    "Current": "spantap.otel.current",
    "DestinationPolicy": "spantap.policy.destination",
    "DjangoMiddleware": "spantap.middleware",
    "EditableExchange": "spantap.policy.mask",
    "Handle": "spantap.configuration",
    "RawExchange": "spantap.policy.view",
    "Spantap": "spantap.extension",
    "SpantapError": "spantap.model",
    "Stats": "spantap.reporting",
    "WSGIMiddleware": "spantap.middleware",
    "configure": "spantap.configuration",
    "current": "spantap.otel.current",
    "instrument_app": "spantap.configuration",
    "instrument_clients": "spantap.configuration",
    "uninstrument_app": "spantap.configuration",
    "uninstrument_clients": "spantap.configuration",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'spantap' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
