"""Ten times what a destination takes: memory stays within the bound, and every loss is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
MIB = 1024 * 1024
BUDGET = 8 * MIB

# Bodies of 8 KiB into a destination that takes a tenth of what there is time to make; the ledger is
# looked at all the while.
SCRIPT = """
import json, resource, sys, threading, time

sys.path.insert(0, sys.argv[1])
import spantap
from asgi_client import call, responding, scope
from spantap.export.memory import MemorySink


class Slow(MemorySink):
    name = "slow"
    batch_size, flush_interval = 10, None
    taken = 0

    def write(self, exchanges):
        time.sleep(len(exchanges) * 0.03)
        self.taken += len(exchanges)


def rss():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * resource.getpagesize()


slow, quick = Slow(), MemorySink(limit=1)
handle = spantap.configure(destinations=[slow, quick], queue_max_bytes=int(sys.argv[2]))
app = spantap.instrument_app(responding(json.dumps({"word": "w" * 8000}).encode()))
for _ in range(20):
    call(app, scope("GET", "/warm"))
before, most, over, unbalanced, looks, made = rss(), 0, 0, [], 0, 20
stop = time.monotonic() + float(sys.argv[3])


def requests():
    global made
    while time.monotonic() < stop:
        for _ in range(10):
            call(app, scope("GET", "/a"))
        with lock:
            made += 10


lock = threading.Lock()
threads = [threading.Thread(target=requests) for _ in range(3)]
[each.start() for each in threads]
while any(each.is_alive() for each in threads):
    time.sleep(0.02)
    stats = handle.stats()
    looks += 1
    most, over = max(most, rss()), max(over, stats.queued_bytes)
    for name, each in stats.destinations.items():
        if each.captured != each.exported + each.queued + sum(each.dropped.values()):
            unbalanced.append([name, repr(each)])
during = handle.stats().destinations
slow_one = next(name for name in during if name.startswith("slow"))
handle.shutdown(0.5)
deadline = time.monotonic() + 60
while handle.stats().destinations[slow_one].queued and time.monotonic() < deadline:
    time.sleep(0.02)  # the batch that was under way
stats = handle.stats()
print(json.dumps({
    "made": made,
    "captured": stats.captured,
    "grown": most - before,
    "most_queued": over,
    "unbalanced": unbalanced,
    "looks": looks,
    "taken": slow.taken,
    "slow": [during[slow_one].exported, during[slow_one].captured],
    "end": {
        name: [each.captured, each.exported, each.queued, dict(each.dropped), dict(each.lightened)]
        for name, each in stats.destinations.items()
    },
}))
"""


@pytest.mark.matrix
def test_ten_times_too_much() -> None:
    """The budget holds, memory does not grow past it, the identity holds at every look and in the end."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    seconds = os.environ.get("SPANTAP_OVERLOAD_SECONDS", "6")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(TESTS), str(BUDGET), seconds],
        # Half a second of this traffic would be most of the budget already.
        env={**environ, "OTEL_BSP_SCHEDULE_DELAY": "50"},
        capture_output=True,
        text=True,
        timeout=float(seconds) + 120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert told["captured"] == told["made"]
    assert told["unbalanced"] == []
    assert told["looks"] > 20
    assert told["most_queued"] <= BUDGET
    # What is queued is estimated, and there is more to an object than its bytes; but there is a bound.
    assert told["grown"] < 4 * BUDGET + 32 * MIB
    exported, captured = told["slow"]
    assert exported * 5 < captured
    for name, (offered, taken, queued, dropped, _) in told["end"].items():
        assert queued == 0, name
        assert offered == told["made"] == taken + sum(dropped.values())
        assert name.startswith("slow") == bool(dropped), dropped
    (slow,) = (each for name, each in told["end"].items() if name.startswith("slow"))
    assert slow[1] == told["taken"]
    assert slow[3].keys() <= {"budget", "shutdown", "queue_full"}
    assert slow[4]["bodies"] > 0
