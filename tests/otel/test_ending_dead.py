"""Processes that end while destinations are dead: within their time, and with the truth about the loss."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from receivers import websocket
from receivers.http import Answer, HTTPReceiver, free_port
from spantap.export.sqlite import SQLiteSink

TESTS = Path(__file__).parent.parent
COUNT = 20
BOUND = 30.0  # 5 seconds of ours, and a busy machine's

SCRIPT = """
import os, sys, threading, time

sys.path.insert(0, sys.argv[1])
import spantap
from asgi_client import call, responding, scope

handle = spantap.configure()
app = spantap.instrument_app(responding(b"{}"))

def requests(count):
    for number in range(count):
        call(app, scope("GET", f"/{number}"))

how = sys.argv[2]
if how == "fork":
    requests(1)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)
    requests(int(sys.argv[3]) - 1)
elif how == "exit":
    threads = [threading.Thread(target=requests, args=(int(sys.argv[3]) // 4,)) for _ in range(4)]
    [each.start() for each in threads]
    [each.join() for each in threads]
else:
    requests(int(sys.argv[3]))
print("ready", flush=True)
if how == "SIGTERM":
    time.sleep(60)
"""


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A collector that is not there, one that never answers, one that never confirms, and a store."""
    silent = Answer(delay=60)
    with HTTPReceiver() as http, websocket.receiving() as streamed:
        http.decide = lambda request: silent
        streamed.confirms = False
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        prefix = "OTEL_PYTHON_SPANTAP_"
        yield {
            **kept,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
            f"{prefix}HTTP_ENDPOINT": http.url,
            f"{prefix}WEBSOCKET_ENDPOINT": streamed.url,
            f"{prefix}SQLITE_PATH": str(tmp_path / "store.db"),
        }


@pytest.mark.parametrize("how", ["exit", "SIGTERM", "fork"])
def test_the_end_is_bounded_and_honest(how: str, environ: dict[str, str], tmp_path: Path) -> None:
    """The store has everything, the process ends in time, and says what each of the dead did not get."""
    command = [sys.executable, "-c", SCRIPT, str(TESTS), how, str(COUNT)]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        if how == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=120)
        took = time.monotonic() - began

    assert took < BOUND
    assert process.returncode == (-signal.SIGTERM if how == "SIGTERM" else 0)
    assert SQLiteSink(tmp_path / "store.db").count() == COUNT
    lost = COUNT - 1 if how == "fork" else COUNT  # the parent of the fork ends without a word
    told = dict(re.findall(r"(\w+): (\d+) spans undelivered as the process ends", log))
    assert told == dict.fromkeys(("otlp", "http", "websocket"), str(lost))
    assert "otlp takes nothing (Connection refused): what is captured waits" in log
    assert "Traceback" not in log
