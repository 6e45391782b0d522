"""Random traffic into destinations that fail at random, from workers some of which are killed; the ledger.

    python benchmarks/soak.py [--seconds 60] [--threads 4] [--seed 1]

A worker lives some seconds: OTLP, HTTP, WebSocket, SQLite and (where it is installed) Redis at once, with
random faults: away, slow, 4xx and 5xx, answers that get lost, locks, Redis killed and paused. Then the
faults end, and it is asked to deliver the rest; what it says has to be what the destinations have. Every
third one is killed instead, with its faults going on: what it had on disk the others deliver, the last of
them without faults, and what it had in memory alone is lost with it.

Exits with 1 when an answer was wrong, a ledger does not balance, what arrived is not what it says, or
memory grew out of bounds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from soak_places import PREFIX, InRedis, Place, Posted, Stored, Streamed, Trouble

from services.servers import Redis

QUEUE_MIB = 8
RSS_MIB = 100 + 8 * QUEUE_MIB  # the libraries of five destinations, and what is queued
SHORT_LIFE = 6.0  # seconds


class Worker:
    """A process that makes requests and captures them."""

    def __init__(self, name: str, places: list[Place], threads: int, seed: int, scratch: Path) -> None:
        self.name = name
        self._diary = scratch / f"{name}.json"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
        environ = {
            "OTEL_SERVICE_NAME": name,
            f"{PREFIX}QUEUE_MAX_BYTES": str(QUEUE_MIB * 1024 * 1024),
            f"{PREFIX}SPOOL_DIR": str(scratch / "spool"),
        }
        for place in places:
            environ |= place.environ(name)
        script = Path(__file__).with_name("soak_worker.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(threads), str(seed), str(self._diary)],
            env={**kept, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def kill(self) -> dict[str, int]:
        """End it as an out-of-memory killer would; how many of each destination's were safe by then."""
        self._process.kill()
        self._process.communicate()
        noted = json.loads(self._diary.read_text()) if self._diary.exists() else {}
        return {
            name: exported + (0 if name == InRedis.name else spooled)  # into its stream writes nobody else
            for name, (exported, spooled) in noted.items()
        }

    def end(self) -> dict[str, Any] | None:
        """Let it deliver, and tell its ledger; None when it broke."""
        said, _ = self._process.communicate(timeout=200)
        return None if self._process.returncode or not said else json.loads(said)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # our end of torn connections
    chance = random.Random(options.seed)
    mistakes: list[str] = []
    given: Counter[str] = Counter()
    killed: dict[str, dict[str, int]] = {}
    given_up: Counter[str] = Counter()
    stop = time.monotonic() + options.seconds
    with contextlib.ExitStack() as running:
        scratch = Path(running.enter_context(tempfile.TemporaryDirectory()))
        places: list[Place] = [
            running.enter_context(Posted("otlp")),
            running.enter_context(Posted("http")),
            running.enter_context(Streamed()),
            Stored(scratch),
        ]
        if Redis.missing():
            print("Redis is not installed: left out")
        else:
            places.append(running.enter_context(InRedis()))
        number = 0
        while time.monotonic() < stop:
            number += 1
            worker = Worker(f"worker-{number}", places, options.threads, options.seed + number, scratch)
            trouble = Trouble(places, chance)
            trouble.start()
            longest = max(15.0, options.seconds / 5)
            time.sleep(min(chance.uniform(SHORT_LIFE, longest), max(2.0, stop - time.monotonic())))
            if number % 3 == 2:
                killed[worker.name] = worker.kill()
            trouble.stop()
            given += trouble.given
            if worker.name not in killed:
                mistakes += told(worker, places, given_up)
        heir = Worker("heir", places, options.threads, options.seed, scratch)
        time.sleep(SHORT_LIFE)
        mistakes += told(heir, places, given_up)
        mistakes += told_of_killed(killed, places, given_up)
    print("faults:", ", ".join(f"{name} {count}" for name, count in sorted(given.items())))
    for mistake in mistakes:
        print(f"WRONG: {mistake}")
    print("the ledger does not balance" if mistakes else "the ledger balances")
    return int(bool(mistakes))


def told_of_killed(
    killed: dict[str, dict[str, int]], places: list[Place], given_up: Counter[str]
) -> list[str]:
    """Print what there is of those that were killed; what is missing of what was safe."""
    wrong = []
    for place in places:
        arrived = {name: place.arrived(name)[0] for name in killed}
        safe = sum(each.get(place.name, 0) for each in killed.values())
        print(
            f"killed: {place.name}: {safe} were safe, {sum(arrived.values())} arrived, "
            f"{given_up[place.name]} given up by others"
        )
        if sum(arrived.values()) + given_up[place.name] < safe:
            wrong.append(f"{place.name}: {safe} were safe of those killed, arrived {arrived}")
    return wrong


def told(worker: Worker, places: list[Place], given_up: Counter[str]) -> list[str]:
    """Print a ledger; what is wrong with it. Counts what it found on disk of others and had to give up."""
    ledger = worker.end()
    if ledger is None:
        return [f"{worker.name}: ended without a ledger"]
    wrong = [f"{worker.name}: {each}" for each in ledger["wrong"]]
    print(
        f"{worker.name}: {ledger['made']} requests, median {ledger['p50_us']} us, "
        f"p99 {ledger['p99_us']} us, peak RSS {ledger['rss_mib']} MiB"
    )
    if ledger["captured"] != ledger["made"]:
        wrong.append(f"{worker.name}: {ledger['made']} made, {ledger['captured']} counted")
    if ledger["rss_mib"] > RSS_MIB:
        wrong.append(f"{worker.name}: {ledger['rss_mib']} MiB, bound is {RSS_MIB}")
    for place in places:
        each = ledger["destinations"][place.name]
        arrived, again = place.arrived(worker.name)
        print(
            f"  {place.name:<10} captured {each['captured']}, exported {each['exported']}, "
            f"queued {each['queued']}, dropped {each['dropped']}, lightened {each['lightened']}; "
            f"arrived {arrived}, {again} again; of others {each['adopted']}"
        )
        given_up[place.name] += sum(each["adopted"]["dropped"].values())
        # What was taken by an answer that got lost, and then given up here, arrived and counts as dropped.
        if not each["exported"] <= arrived <= each["captured"] - each["queued"]:
            wrong.append(f"{worker.name}: {place.name} has {arrived}")
        if each["queued"] or each["captured"] != ledger["made"]:
            wrong.append(f"{worker.name}: {place.name}: {each}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
