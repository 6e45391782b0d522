"""What redaction costs, beside parsing, walking and writing the same document with orjson and a loop.

    .venv/bin/python benchmarks/redaction.py

Bodies of 1, 16 and 64 KB in JSON: clean, dirty (six secrets, three of them under names and three as
values; in 1 KB one of each) and the latter cut off at three quarters: as something malformed (cut), and as
what our own limit has left (limited). Medians of interleaved rounds, in microseconds. Ratios under 1 are
quicker than the loop, which always has the whole.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

from spantap.policy.redact import Redactor, Tally

SIZES: Final = (1, 16, 64)
# How the ratios are to be, for those who look after them; docs/performance.md says where they are.
GOALS: Final = {"clean": 0.2, "dirty": 1.5, "cut": 5.0, "limited": 5.0}
_WORDS: Final = tuple("the quick brown fox jumps over a lazy dog while nobody looks from behind".split())  # noqa: SIM905
_SECRETS: Final = (
    ("password", "hunter2hunter2"),
    ("memo", "paid by 4111 1111 1111 1111 on Monday"),
    ("api_key", "k-29f1a77c03"),
    ("note", "call me with Bearer abcdefghij0123456789 tomorrow"),
    ("callback", "https://shop.example/cb?access_token=abc123def456"),
    ("auth", {"token": "abcdefghijkl", "kind": "x"}),
)


class Cell(NamedTuple):
    """A kind of body, its size in KB, what the loop and what redaction take in microseconds, and the ratio.

    The ratio is the median of those of the rounds: a busy machine slows down both of a round.
    """

    kind: str
    kilobytes: int
    loop: float
    redaction: float
    ratio: float


def document(size: int, chance: random.Random) -> dict[str, Any]:
    """About so many bytes of orders: names, numbers, dates, sentences, a little nesting."""
    orders: list[dict[str, Any]] = []
    book = {"page": 1, "orders": orders}
    while len(orjson.dumps(book)) < size:
        orders.append({
            "id": chance.randrange(10**9),
            "customer": {"name": chance.choice(_WORDS), "city": chance.choice(_WORDS), "vip": True},
            "created": f"2026-07-1{chance.randrange(9)}T10:{chance.randrange(10, 59)}:00Z",
            "total": round(chance.random() * 900, 2),
            "comment": " ".join(chance.choices(_WORDS, k=8)),
            "items": [{"sku": f"A-{chance.randrange(10**5)}", "n": chance.randrange(9)} for _ in range(2)],
        })  # fmt: skip
    return book


def dirtied(book: dict[str, Any], chance: random.Random, secrets: int) -> dict[str, Any]:
    """The same with secrets in it, anywhere."""
    for name, secret in _SECRETS[:secrets]:
        chance.choice(book["orders"])[name] = secret
    return book


def loop(text: str) -> bytes:
    """What any redaction that parses has to do at least."""
    parsed = orjson.loads(text)
    level = [parsed]
    while level:
        node = level.pop()
        for value in node.values() if type(node) is dict else node:
            if type(value) is dict or type(value) is list:
                level.append(value)  # noqa: PERF401 - as redaction does
    return orjson.dumps(parsed)


def measured(kind: str, kilobytes: int, rounds: int) -> Cell:
    """One cell; its two contenders take turns."""
    chance = random.Random(kilobytes)
    book = document(kilobytes * 1024, chance)
    if kind != "clean":
        book = dirtied(book, chance, 2 if kilobytes == 1 else 6)
    whole = orjson.dumps(book).decode()
    text = whole[: len(whole) * 3 // 4] if kind in ("cut", "limited") else whole
    redactor = Redactor()
    times = max(1, 200 // kilobytes)

    def redact() -> object:
        return redactor.body(text, "application/json", Tally(), cut=kind == "limited")

    loops, redactions = [], []
    for _ in range(rounds):
        loops.append(_microseconds(lambda: loop(whole), times))
        redactions.append(_microseconds(redact, times))
    ratios = [took / least for took, least in zip(redactions, loops, strict=True)]
    return Cell(kind, kilobytes, *map(statistics.median, (loops, redactions, ratios)))


def _microseconds(call: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    arguments = parser.parse_args()
    print(f"{'body':8}{'KB':>4}{'loop us':>10}{'redaction us':>14}{'ratio':>8}{'goal':>7}")
    for kind in GOALS:
        for kilobytes in SIZES:
            cell = measured(kind, kilobytes, arguments.rounds)
            print(
                f"{kind:8}{kilobytes:4}{cell.loop:10.1f}{cell.redaction:14.1f}{cell.ratio:8.2f}{GOALS[kind]:7.1f}"
            )


if __name__ == "__main__":
    main()
