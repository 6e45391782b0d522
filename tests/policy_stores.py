"""Policies that every door is tried with, and a memory for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spantap import DestinationPolicy
from spantap.export.memory import MemorySink

REQUESTS: Final = ("/hello", "/abort", "/unknown", "/boom")
# Words -> what of the requests the destination has.
DOORS: Final[dict[str, tuple[dict[str, Any], list[str]]]] = {
    "all": ({}, ["/hello", "/abort", "/unknown", "/boom"]),
    "only_on_exception": ({"only_on_exception": True}, ["/boom"]),
    "skip_on_exception": ({"skip_on_exception": True}, ["/hello", "/abort", "/unknown"]),
    "on_endpoints": ({"on_endpoints": ["*hello", "*boom"]}, ["/hello", "/boom"]),
    "skip_endpoints": ({"skip_endpoints": ["*hello", "*boom"]}, ["/abort", "/unknown"]),
    "on_status_codes": ({"on_status_codes": [404]}, ["/abort", "/unknown"]),
    "skip_status_codes": ({"skip_status_codes": ["404"]}, ["/hello", "/boom"]),
}


def stores(rows: Mapping[str, tuple[dict[str, Any], list[str]]]) -> dict[str, MemorySink]:
    """A memory under each policy."""
    return {name: MemorySink(policy=DestinationPolicy(**words)) for name, (words, _) in rows.items()}
