"""What a captured request that the app sends costs: bare, stock OpenTelemetry and spantap, by client.

POST of 1 KB of JSON, answered with 1 KB of JSON, over a kept connection to a server in another process.
Every cell runs in fresh processes, interleaved over the rounds, at a pace the exporters can follow; the OTLP
sink is another process. CPU is that of the whole process, delivery included, per request. Trust ratios.

    python benchmarks/outbound.py [--rounds 3] [--clients requests,urllib3] [--contenders bare,otel,spantap]
    python benchmarks/outbound.py --profile requests     # where the time of a captured request goes
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import importlib
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import apps
from overhead import stock_provider

from spantap.clients import CLIENTS

HERE: Final = Path(__file__).parent
CONTENDERS: Final = ("bare", "otel", "spantap")
REQUESTS, WARM, RATE = 600, 100, 300  # the last: a second
BODY: Final = json.dumps(apps.SMALL).encode()
HEADERS: Final = {"Content-Type": "application/json", "Authorization": "Bearer abcdefghijklmnop"}
STOCK: Final = {
    "requests": ("requests", "RequestsInstrumentor"),
    "urllib3": ("urllib3", "URLLib3Instrumentor"),
    "httpx": ("httpx", "HTTPXClientInstrumentor"),
    "aiohttp": ("aiohttp_client", "AioHttpClientInstrumentor"),
    "urllib": ("urllib", "URLLibInstrumentor"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default=",".join(name for name in STOCK if name in CLIENTS))
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--profile")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        client, contender, url = options.child
        print(json.dumps(measure(client, contender, url)))
        return
    if options.profile:
        in_fresh_process(options.profile, "spantap", profile=True)
        return
    names = options.contenders.split(",")
    print("\n### requests that are sent\n\nCPU per request: ratio to bare, added us; added p50\n")
    print("| client | " + " | ".join(names) + " | spantap : otel |\n|" + "---|" * (len(names) + 2))
    for client in options.clients.split(","):
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                runs[name].append(in_fresh_process(client, name))
        print(f"| {client} | " + " | ".join(cells(runs)) + " |", flush=True)


def cells(runs: dict[str, list[dict[str, float]]]) -> list[str]:
    def median(name: str, what: str) -> float:
        return statistics.median(run[what] for run in runs[name])

    written = []
    for name, each in runs.items():
        cpu, bare = median(name, "cpu"), median("bare", "cpu")
        if name == "bare":
            written.append(f"{cpu:.0f} us")
            continue
        text = f"x{cpu / bare:.2f}, +{cpu - bare:.0f}; +{median(name, 'p50') - median('bare', 'p50'):.0f}"
        lost = 1 - min(run["delivered"] for run in each)
        written.append(text + (f" (**{lost:.0%} lost**)" if lost > 0.01 else ""))
    if "otel" in runs and "spantap" in runs:
        added = [median(name, "cpu") - median("bare", "cpu") for name in ("spantap", "otel")]
        written.append(f"{added[0] / added[1]:.2f}" if added[1] > 0 else "?")
    return written


def in_fresh_process(client: str, contender: str, *, profile: bool = False) -> dict[str, float]:
    def beside(program: str, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / program), *words]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    sink, server = beside("otlp_sink.py", "CLIENT"), beside("json_server.py")
    try:
        assert sink.stdout is not None
        assert server.stdout is not None
        collector, port = sink.stdout.readline().strip(), server.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run(
                [
                    sys.executable,
                    __file__,
                    "--child",
                    client,
                    contender,
                    f"http://127.0.0.1:{port}/pay?page=2",
                ],
                check=True,
                stdout=None if profile else subprocess.PIPE,
                text=True,
                cwd=scratch,
                env={
                    **os.environ,
                    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}",
                    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                    "OTEL_TRACES_SAMPLER": "always_on",
                    "SPANTAP_BENCH_PROFILE": "yes" if profile else "",
                },
            )
        spans, _ = sink.communicate("stop\n")
        if profile:
            return {}
        result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        result["delivered"] = int(spans) / (REQUESTS + WARM)
        return result
    finally:
        server.communicate("stop\n")


def measure(client: str, contender: str, url: str) -> dict[str, float]:
    flush = prepared(client, contender)
    took: list[float] = []
    if client in LOOPED:
        cpu = asyncio.run(all_in_a_loop(LOOPED[client], url, flush, took))
    else:
        once = THREADED[client](url)
        for _ in range(WARM):
            once()
        flush()
        gc.collect()
        profile = cProfile.Profile()
        if os.environ.get("SPANTAP_BENCH_PROFILE"):
            profile.enable()
        cpu, begin = time.process_time(), time.perf_counter()
        for number in range(REQUESTS):
            wait_for(begin + number / RATE)
            start = time.perf_counter()
            once()
            took.append(time.perf_counter() - start)
        profile.disable()
        flush()
        cpu = time.process_time() - cpu
        if os.environ.get("SPANTAP_BENCH_PROFILE"):
            pstats.Stats(profile).sort_stats("tottime").print_stats("spantap|opentelemetry|redact", 40)
    took.sort()
    return {"cpu": cpu / REQUESTS * 1e6, "p50": took[len(took) // 2] * 1e6}


async def all_in_a_loop(
    client: Callable[[str], Any], url: str, flush: Callable[[], object], took: list[float]
) -> float:
    async with client(url) as once:
        for _ in range(WARM):
            await once()
        flush()
        gc.collect()
        cpu, begin = time.process_time(), time.perf_counter()
        for number in range(REQUESTS):
            wait_for(begin + number / RATE)
            start = time.perf_counter()
            await once()
            took.append(time.perf_counter() - start)
        flush()
        return time.process_time() - cpu


def wait_for(due: float) -> None:
    if (wait := due - time.perf_counter()) > 0:
        time.sleep(wait)


def prepared(client: str, contender: str) -> Callable[[], object]:
    """Set a contender up; what delivers everything."""
    if contender == "otel":
        provider = stock_provider()
        module, name = STOCK[client]
        getattr(importlib.import_module(f"opentelemetry.instrumentation.{module}"), name)().instrument()
        return lambda: provider.force_flush()
    if contender == "spantap":
        import spantap

        handle = spantap.configure()
        spantap.instrument_clients(client)
        return lambda: handle.flush(30)
    return lambda: None


def sending_with_requests(url: str) -> Callable[[], None]:
    import requests

    session = requests.Session()

    def once() -> None:
        assert session.post(url, BODY, headers=HEADERS).json()

    return once


def sending_with_urllib3(url: str) -> Callable[[], None]:
    import urllib3

    pool = urllib3.PoolManager()

    def once() -> None:
        assert pool.request("POST", url, body=BODY, headers=HEADERS).json()

    return once


def sending_with_urllib(url: str) -> Callable[[], None]:
    from urllib.request import Request, urlopen

    def once() -> None:
        with urlopen(Request(url, BODY, HEADERS)) as response:
            assert json.loads(response.read())

    return once


def sending_with_httpx(url: str) -> Callable[[], None]:
    import httpx

    client = httpx.Client()

    def once() -> None:
        assert client.post(url, content=BODY, headers=HEADERS).json()

    return once


class SendingWithAiohttp:
    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Callable[[], Awaitable[None]]:
        import aiohttp

        self._session = aiohttp.ClientSession()
        return self._once

    async def _once(self) -> None:
        async with self._session.post(self._url, data=BODY, headers=HEADERS) as response:
            assert await response.json()

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()


THREADED: Final = {
    "requests": sending_with_requests,
    "urllib3": sending_with_urllib3,
    "urllib": sending_with_urllib,
    "httpx": sending_with_httpx,
}
LOOPED: Final = {"aiohttp": SendingWithAiohttp}

if __name__ == "__main__":
    main()
