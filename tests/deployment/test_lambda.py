"""AWS Lambda: the process is frozen as soon as its handler has returned."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from receivers.http import Answer, HTTPReceiver
from receivers.otlp_http import OTLPReceiver

TESTS = Path(__file__).parent.parent
PREFIX = "OTEL_PYTHON_SPANTAP_"
IN_LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "shop"}
LARGE = json.dumps({"word": "w" * 200_000})  # finished on a thread of its own
ADAPTERS = ["mangum", "apig_wsgi", "serverless_wsgi"]


class Function:
    """A process like Lambda's: `call` returns when it has answered and is frozen."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._frozen = False

    def call(self, path: str, body: str = "{}") -> tuple[int, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._frozen:
            self._process.send_signal(signal.SIGCONT)
        self._process.stdin.write(json.dumps({"path": path, "body": body}) + "\n")
        self._process.stdin.flush()
        status, said = json.loads(self._process.stdout.readline())
        _, outcome = os.waitpid(self._process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(outcome)
        self._frozen = True
        return status, said


@contextmanager
def function(adapter: str, **environ: str) -> Iterator[Function]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    with subprocess.Popen(
        [sys.executable, "-m", "lambda_runtime", adapter],
        env={**kept, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS / 'deployment'}", **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        try:
            yield Function(process)
        finally:
            watchdog.cancel()
            process.kill()


def paths(receiver: HTTPReceiver) -> list[str]:
    return [each["request"]["path"] for batch in receiver.taken for each in orjson.loads(batch.body)]


@pytest.mark.setting("faas_flush_timeout")
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_delivered_before_the_handler_returns(adapter: str) -> None:
    """All have the exchange when the process is frozen, small, large or failed; the client has its answer."""
    with OTLPReceiver() as collector, HTTPReceiver() as receiver:
        destinations = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            f"{PREFIX}HTTP_ENDPOINT": receiver.url,
            f"{PREFIX}FAAS_FLUSH_TIMEOUT": "60",
        }
        with function(adapter, **IN_LAMBDA, **destinations) as called:
            assert called.call("/small", '{"a":1}') == (200, '{"a":1}')
            assert paths(receiver) == ["/small"]
            assert len(collector.spans()) == 1
            assert called.call("/large", LARGE) == (200, LARGE)
            assert paths(receiver) == ["/small", "/large"]
            assert len(collector.spans()) == 2
            assert called.call("/fail")[0] == 500
            assert paths(receiver) == ["/small", "/large", "/fail"]
            assert len(collector.spans()) == 3


@pytest.mark.parametrize("environ", [{}, {**IN_LAMBDA, f"{PREFIX}FAAS_FLUSH_TIMEOUT": "0"}])
def test_elsewhere_nobody_waits(environ: dict[str, str]) -> None:
    """Outside of Lambda, or where it is switched off, a request does not wait for delivery."""
    with HTTPReceiver() as receiver:
        slowly = {"OTEL_BSP_SCHEDULE_DELAY": "3600000", f"{PREFIX}HTTP_ENDPOINT": receiver.url}
        with function("apig_wsgi", **environ, **slowly) as called:
            assert called.call("/small") == (200, "{}")
            assert receiver.requests == []


def test_a_resource_that_says_so() -> None:
    """`faas.name` among the resource's attributes means the same, whoever runs the function."""
    with HTTPReceiver() as receiver:
        environ = {"OTEL_RESOURCE_ATTRIBUTES": "faas.name=shop", f"{PREFIX}HTTP_ENDPOINT": receiver.url}
        with function("mangum", **environ) as called:
            assert called.call("/small") == (200, "{}")
            assert paths(receiver) == ["/small"]


@pytest.mark.parametrize("adapter", [pytest.param("mangum", marks=pytest.mark.matrix), "apig_wsgi"])
def test_a_collector_that_never_answers(adapter: str) -> None:
    """The handler returns all the same; what was captured waits, and goes with a later request."""
    with HTTPReceiver() as receiver:
        silent = threading.Event()
        receiver.decide = lambda request: Answer() if silent.is_set() else Answer(503)
        environ = {f"{PREFIX}HTTP_ENDPOINT": receiver.url, f"{PREFIX}FAAS_FLUSH_TIMEOUT": "0.5"}
        with function(adapter, **IN_LAMBDA, **environ) as called:
            for number in range(3):
                assert called.call(f"/{number}") == (200, "{}")
            assert receiver.taken == []
            silent.set()
            for number in range(3, 50):
                called.call(f"/{number}")
                if {"/0", "/1", "/2"} <= set(paths(receiver)):
                    break
            assert {"/0", "/1", "/2"} <= set(paths(receiver))
