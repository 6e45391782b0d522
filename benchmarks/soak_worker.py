"""One process of the soak: random traffic from several threads, and at the end what it says of itself.

    soak_worker.py THREADS SEED DIARY

Where exchanges go is in the environment. It runs until its standard input is closed; then it delivers
what is queued and writes its ledger to standard output. Every fifth of a second it looks whether the
ledger balances, and writes to its diary how many exchanges are safe should it be killed: taken or on disk.
"""

from __future__ import annotations

import io
import json
import random
import resource
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import spantap

DRAIN_SECONDS = 120.0


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """Echoes, streams, fails, as the path says."""
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"].startswith("/fail"):
        raise RuntimeError("as asked")
    start_response("200 OK", [("Content-Type", "application/json")])
    if environ["PATH_INFO"].startswith("/stream"):
        return (body[at : at + 100] for at in range(0, len(body), 100))
    return [body]


def request(tapped: Any, chance: random.Random, wrong: list[str]) -> float:
    """One request, and how many seconds it took."""
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
    began = time.perf_counter()
    try:
        result = tapped(environ, lambda *args: None)
        got = b"".join(result)
        result.close()
        if got != body:
            wrong.append(f"{path}: {len(got)} bytes for {len(body)}")
    except RuntimeError:
        if path != "/fail":
            wrong.append(f"{path}: raised")
    return time.perf_counter() - began


def unbalanced(stats: spantap.Stats) -> list[str]:
    """The destinations whose ledger does not balance."""
    return [
        f"{name}: {each}"
        for name, each in stats.destinations.items()
        if each.captured != each.exported + each.queued + each.spooled + sum(each.dropped.values())
    ]


def note(stats: spantap.Stats, diary: Path) -> None:
    """Write down how many exchanges are safe, in one step: those taken, and those on disk."""
    safe = {name: (each.exported, each.spooled) for name, each in stats.destinations.items()}
    fresh = diary.with_suffix(".new")
    fresh.write_text(json.dumps(safe))
    fresh.replace(diary)


def main(threads: int, seed: int, diary: Path) -> None:
    handle = spantap.configure()
    tapped = spantap.instrument_app(app)
    wrong: list[str] = []
    took: list[list[float]] = [[] for _ in range(threads)]
    stopped = threading.Event()

    def work(number: int) -> None:
        chance = random.Random(seed * 1000 + number)
        while not stopped.wait(chance.expovariate(100)):
            took[number].append(request(tapped, chance, wrong))

    def watch() -> None:
        while not stopped.wait(0.2):
            stats = handle.stats()
            wrong.extend(unbalanced(stats))
            note(stats, diary)

    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    running.append(threading.Thread(target=watch))
    for each in running:
        each.start()
    print("ready", flush=True)
    sys.stdin.read()
    stopped.set()
    for each in running:
        each.join()
    drained = handle.flush(DRAIN_SECONDS)
    stats = handle.stats()
    times = sorted(seconds for each in took for seconds in each)
    ledger = {
        "made": len(times),
        "captured": stats.captured + sum(stats.not_kept.values()),
        "drained": drained,
        "wrong": wrong + unbalanced(stats),
        "p50_us": round(times[len(times) // 2] * 1e6),
        "p99_us": round(times[len(times) * 99 // 100] * 1e6),
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "destinations": {
            name: {
                "captured": each.captured,
                "exported": each.exported,
                "queued": each.queued + each.spooled,
                "adopted": asdict(each.adopted),
                "dropped": dict(each.dropped),
                "lightened": dict(each.lightened),
            }
            for name, each in stats.destinations.items()
        },
    }
    print(json.dumps(ledger), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
