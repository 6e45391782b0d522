"""`spantap demo` as a newcomer runs it: a process of its own, a real server, a real receiver."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from receivers.otlp_http import OTLPReceiver, attributes, server_spans
from spantap.cli.demo import SERVICE
from spantap.cli.traffic import PLANTED
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange


@dataclass(frozen=True)
class Run:
    """One run of the demo and what it left behind."""

    folder: Path
    status: int
    out: str
    err: str

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    @property
    def exchanges(self) -> list[Exchange]:
        return SQLiteSink(str(self.folder / "spantap.db")).read(limit=1000)

    @property
    def sent(self) -> int:
        """What the demo says it sent; it must say that it captured as many."""
        said = re.search(r"sent (\d+) requests, captured \1\b", self.out)
        assert said, self.out
        return int(said[1])


def run_demo(folder: Path, *words: str, **environment: str) -> Run:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-m", "spantap.cli.main", "demo", *words],
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Run(folder, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def receiver() -> Iterator[OTLPReceiver]:
    with OTLPReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def run(receiver: OTLPReceiver, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("demo")
    return run_demo(folder, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)


def test_it_ends_by_itself_and_shows_everything(run: Run, receiver: OTLPReceiver) -> None:
    """Exit status 0, not a word of complaint, and each part of the show."""
    assert (run.status, run.err) == (0, "")
    assert run.sent > 20
    for part in (
        "POST   /login ",
        "GatewayError",
        "redacted  ",
        "/orders/{order_id}",
        "spantap.db",
        receiver.url,
    ):
        assert part in run.out


def test_a_pipe_gets_plain_text_of_a_hundred_columns(run: Run) -> None:
    """No colours, no cursor movements, nothing wider."""
    assert "\x1b" not in run.out
    assert max(map(len, run.out.splitlines())) == 100


@pytest.mark.parametrize("secret", PLANTED)
def test_no_planted_secret_is_left_anywhere(run: Run, receiver: OTLPReceiver, secret: str) -> None:
    """Not in the store or the files beside it, not at the collector, not on the screen."""
    places = {**run.files, "the terminal": run.out.encode(), "the collector": b"\n".join(receiver.bodies)}
    places["the terminal, unwrapped"] = re.sub(r"\s", "", run.out).encode()

    assert run.exchanges
    assert [name for name, content in places.items() if secret.encode() in content] == []


def test_every_request_is_stored_once(run: Run) -> None:
    """Told apart by the id the client gave it, and by its span."""
    ids = Counter(each.request.headers.first("x-request-id") for each in run.exchanges)

    assert None not in ids
    assert set(ids.values()) == {1}
    assert len(ids) == run.sent
    assert {each.service for each in run.exchanges} == {SERVICE}


def test_every_request_is_at_the_collector_once(run: Run, receiver: OTLPReceiver) -> None:
    """One SERVER span each, the same one as in the store."""
    spans = server_spans(receiver.spans())
    ids = Counter(str(attributes(span)["http.request.header.x-request-id"]) for span in spans)

    assert set(ids.values()) == {1}
    assert len(ids) == run.sent
    assert sorted(span.span_id.hex() for span in spans) == sorted(each.span_id for each in run.exchanges)


def test_each_exchange_has_its_own_visitor(run: Run) -> None:
    """Requests that ran at the same time were not mixed up: the names in them agree."""
    agents = {
        each.request.headers.first("user-agent"): each.identity.user
        for each in run.exchanges
        if each.identity.user is not None
    }
    for each in run.exchanges:
        visitor, _, _ = str(each.request.headers.first("x-request-id")).rpartition("-")
        assert each.request.headers.first("user-agent") == f"{visitor}/1.0"
    assert agents == {"ada/1.0": "u-1001", "grace/1.0": "u-1002", "linus/1.0": "u-1003"}


def test_a_stream_is_timed_to_its_first_and_its_last_byte(run: Run) -> None:
    """The export is slow: its first line was out long before its last."""
    (export,) = [each for each in run.exchanges if each.route == "/orders/export"]

    first, whole = (export.timing.first_byte or 0) - export.timing.start, export.timing.duration
    assert 0 < first < whole - 40_000_000


def test_a_second_run_shows_its_own_exchanges_only(run: Run) -> None:
    """The store keeps both runs; the counts on screen are those of the second."""
    sent = run.sent

    again = run_demo(run.folder)

    assert (again.status, again.sent) == (0, sent)
    assert len(again.exchanges) == 2 * sent


def test_the_query_it_suggests_works(run: Run) -> None:
    """What it tells one to type next, typed."""
    typed = re.search(r'sqlite3 spantap.db "(.+)"', run.out)
    assert typed

    with closing(sqlite3.connect(run.folder / "spantap.db")) as store:
        rows = store.execute(typed[1]).fetchall()

    assert rows[0][:2] == ("/orders/export", 200)


def test_the_store_goes_where_it_is_told(tmp_path: Path) -> None:
    """`--store` before the environment, the environment before the default."""
    run = run_demo(tmp_path, "--store", "this.db", OTEL_PYTHON_SPANTAP_SQLITE_PATH="that.db")

    assert run.status == 0
    assert {name.partition(".")[0] for name in run.files} == {"this"}
    assert "this.db" in run.out


def test_a_store_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """What is wrong, status 2, no traceback, no traffic."""
    run = run_demo(tmp_path, "--store", "no/such/folder/spantap.db")

    assert run.status == 2
    assert "no/such/folder" in run.err
    assert "Traceback" not in run.err
    assert run.out == ""


def test_a_collector_that_is_down_is_mentioned_and_costs_little(tmp_path: Path) -> None:
    """The store has everything all the same, and the demo ends."""
    run = run_demo(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")

    assert run.status == 0
    assert run.sent > 20
    assert re.search(r"http://127.0.0.1:9 over OTLP, 0 spans; \d+ were not accepted", run.out)


def test_a_difference_between_sent_and_captured_is_an_error(tmp_path: Path) -> None:
    """A setting that leaves requests out makes the demo say so, and fail."""
    run = run_demo(tmp_path, OTEL_PYTHON_SPANTAP_EXCLUDE_URLS="/login")

    assert run.status == 1
    assert "they should be equal" in run.out
