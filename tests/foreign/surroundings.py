"""Where `make foreign` has put other people's code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

PLACE: Final = Path(os.environ.get("SPANTAP_FOREIGN", "build/foreign")).absolute()
BIN: Final = PLACE / "venv" / "bin"

needs_downloads = pytest.mark.skipif(
    "SPANTAP_FOREIGN" not in os.environ,
    reason="needs other people's test suites, and httpbin: `make foreign` gets them",
)
