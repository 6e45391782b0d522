"""A pytest plugin: everything sent from this process is captured, whatever the tests are about.

Loaded into somebody else's test suite with ``-p capture_sent``. What came of it is written to the file
that ``CAPTURE_TOLD`` names.
"""

from __future__ import annotations

import gc
import json
import logging
import os
from pathlib import Path

import spantap
from spantap.export.memory import MemorySink


class Failures(logging.Handler):
    """What spantap says has failed in it: there must be nothing."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(record.getMessage())


_failures = Failures()
logging.getLogger("spantap").addHandler(_failures)
_handle = spantap.configure(destinations=[MemorySink(limit=100)], preset="full")
spantap.instrument_clients()


def pytest_unconfigure() -> None:
    """All tests have run: say what was captured."""
    gc.collect()  # a response that nobody has read is over when it goes away
    _handle.flush(60)
    stats = _handle.stats()
    told = {
        "captured": stats.captured,
        "not kept": sum(stats.not_kept.values()),
        "stored": stats.destinations["memory"].exported,
        "failures": _failures.lines,
    }
    Path(os.environ["CAPTURE_TOLD"]).write_text(json.dumps(told))
