"""Servers that are killed, all processes at once: what was promised by then is there afterwards."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from deployment.cells import Cell, killed
from deployment.environments import Environments
from deployment.placed import place
from deployment.serving import defaults, free_port, post_again, served, stopped, wait_for
from deployment.test_matrix import marked
from receivers.otlp_http import OTLPReceiver, attributes, server_spans
from spantap.export.sqlite import SQLiteSink

PROMISED = [f"/echo/{number}" for number in range(10)]
AT_ONCE = [f"/echo/{number}" for number in range(10, 20)]
LATER = [f"/echo/{number}" for number in range(20, 30)]


@pytest.mark.parametrize("cell", marked(killed()))
def test_killed(cell: Cell, environments: Environments, tmp_path: Path) -> None:
    """What was stored stays, what was spooled is delivered by those that come after, nothing is twice."""
    placed, collector = place(cell, tmp_path, environments), free_port()
    environ = {
        **defaults(placed.binaries),
        **placed.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}",
        "OTEL_PYTHON_SPANTAP_SPOOL_DIR": "spool",
    }
    for name in placed.without:
        del environ[name]
    command = [*placed.under, *placed.command]
    store = tmp_path / "spantap.db"

    def stored() -> list[str]:
        return [each.request.path for each in SQLiteSink(store).read()] if store.exists() else []

    def spooled() -> bool:
        left = b"".join(each.read_bytes() for each in (tmp_path / "spool").rglob("*.records"))
        return all(path.encode() in left for path in PROMISED)

    def log() -> str:
        return (tmp_path / "log").read_text()

    with served(tmp_path, command, environ) as (server, port):
        answers = [post_again(port, number) for number in range(10)]
        wait_for(lambda: spooled() and set(stored()) >= set(PROMISED), log)
        answers += [post_again(port, number) for number in range(10, 20)]
        stopped(server, signal.SIGKILL)
    survived = stored()

    with OTLPReceiver(port=collector) as receiver:

        def delivered() -> list[str]:
            return [str(attributes(span)["url.path"]) for span in server_spans(receiver.spans())]

        with served(tmp_path, command, environ) as (server, port):
            answers += [post_again(port, number) for number in range(20, 30)]
            wait_for(lambda: set(delivered()) >= {*PROMISED, *LATER}, log)
            wait_for(lambda: set(stored()) >= set(LATER), log)
            stopped(server, signal.SIGTERM)
        exported = delivered()

    assert {each.status for each in answers} == {200}
    assert set(survived) >= set(PROMISED)
    for kept in (survived, stored(), exported):
        assert set(kept) <= {*PROMISED, *AT_ONCE, *LATER}
        assert set(Counter(kept).values()) == {1}
