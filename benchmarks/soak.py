"""Random traffic from several threads into destinations that fail at random; then the ledger.

    python benchmarks/soak.py [--seconds 60] [--threads 8] [--seed 1]

Exits with 1 when an answer was wrong, the ledger does not balance, or memory grew out of bounds.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spantap
from spantap.export.memory import MemorySink
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange


class Flaky(MemorySink):
    """Is slow, or refuses, now and then."""

    name = "flaky"

    def __init__(self, chance: random.Random) -> None:
        super().__init__(limit=10)
        self._chance = chance

    def write(self, exchanges: Sequence[Exchange], /) -> None:
        time.sleep(self._chance.expovariate(20))
        if self._chance.random() < 0.2:
            raise OSError("not today")
        super().write(exchanges)


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """Echoes, streams, fails, as the path says."""
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"].startswith("/fail"):
        raise RuntimeError("as asked")
    start_response("200 OK", [("Content-Type", "application/json")])
    if environ["PATH_INFO"].startswith("/stream"):
        return (body[at : at + 100] for at in range(0, len(body), 100))
    return [body]


def request(tapped: Any, chance: random.Random, wrong: list[str]) -> None:
    path = chance.choice(["/echo", "/stream", "/fail"])
    body = json.dumps({"password": "hunter2hunter2", "fill": "x" * chance.randrange(20_000)}).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "soak",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
    }
    try:
        result = tapped(environ, lambda *args: None)
        got = b"".join(result)
        result.close()
        if got != body:
            wrong.append(f"{path}: {len(got)} bytes for {len(body)}")
    except RuntimeError:
        if path != "/fail":
            wrong.append(f"{path}: raised")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = SQLiteSink(Path(scratch) / "soak.db")
        handle = spantap.configure(
            destinations=[store, Flaky(random.Random(options.seed))], queue_max_bytes=8 * 1024 * 1024
        )
        tapped = spantap.instrument_app(app)
        wrong: list[str] = []
        made = [0] * options.threads
        stop = time.monotonic() + options.seconds

        def work(number: int) -> None:
            chance = random.Random(options.seed * 1000 + number)
            while time.monotonic() < stop:
                request(tapped, chance, wrong)
                made[number] += 1

        threads = [threading.Thread(target=work, args=(number,)) for number in range(options.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        handle.flush(60)
        return report(handle.stats(), sum(made), wrong)


def report(stats: spantap.Stats, made: int, wrong: list[str]) -> int:
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{made} requests, {len(wrong)} wrong answers, peak RSS {rss} MiB")
    print(f"captured {stats.captured}, not kept {dict(stats.not_kept)}, {stats.queued_bytes} bytes queued")
    failed = bool(wrong) or stats.captured + sum(stats.not_kept.values()) != made
    for name, each in stats.destinations.items():
        balance = each.exported + each.queued + sum(each.dropped.values())
        print(
            f"{name}: captured {each.captured}, exported {each.exported}, "
            f"queued {each.queued}, dropped {dict(each.dropped)}"
        )
        failed |= balance != each.captured or each.captured != stats.captured
    print("the ledger does not balance" if failed else "the ledger balances")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
