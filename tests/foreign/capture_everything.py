"""A pytest plugin: everything served in this process is captured, whatever the tests are about.

Loaded into somebody else's test suite with ``-p capture_everything``. Apps of Starlette and Flask are
met as `spantap run` meets them; bare callables, which meet no server in a test suite, are met in the
test clients. What came of it is written to the file that ``CAPTURE_TOLD`` names.
"""

from __future__ import annotations

import gc
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wrapt

import spantap
from spantap import instrument
from spantap.configuration import current_tap
from spantap.export.memory import MemorySink


class Capture:
    """The capture of this process, one after the other."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._handle = self._begun()

    def again(self) -> None:
        """End it and begin a new one."""
        self._handle.flush(60)
        stats = self._handle.stats()
        self.counts["captured"] += stats.captured
        self.counts["not kept"] += sum(stats.not_kept.values())
        self.counts["stored"] += stats.destinations["memory"].exported
        self._handle.shutdown(60)
        self._handle = self._begun()

    @staticmethod
    def _begun() -> spantap.Handle:
        return spantap.configure(
            destinations=[MemorySink(limit=100)], include_urls=["*"], exclude_methods=[], preset="full"
        )


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
_capture = Capture()
instrument.everywhere(current_tap)


@wrapt.when_imported("starlette.testclient")
def _starlette(module: Any) -> None:
    original = module.TestClient.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        original(self, *args, **kwargs)
        if instrument.detect(self.app) not in ("fastapi", "starlette"):
            self.app = self._transport.app = spantap.instrument_app(self.app, framework="asgi")

    module.TestClient.__init__ = __init__


@wrapt.when_imported("werkzeug.test")
def _werkzeug(module: Any) -> None:
    original = module.Client.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        original(self, *args, **kwargs)
        if instrument.detect(self.application) != "flask":
            self.application = spantap.instrument_app(self.application, framework="wsgi")

    module.Client.__init__ = __init__


@pytest.fixture(autouse=True)
def _capture_of_its_own(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test about telemetry has a tracer provider of its own, so it needs a capture bound to that."""
    if "opentelemetry" in request.path.name:
        _capture.again()
        yield
        _capture.again()
    else:
        yield


def pytest_unconfigure() -> None:
    """All tests have run: say what was captured."""
    gc.collect()  # a response that nobody has closed is over when it goes away
    _capture.again()
    Path(os.environ["CAPTURE_TOLD"]).write_text(json.dumps({**_capture.counts, "failures": _failures.lines}))
