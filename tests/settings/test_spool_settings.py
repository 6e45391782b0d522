"""The settings of the disk spool, seen on disk and by collectors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spantap
from asgi_client import call, responding, scope
from receivers.http import HTTPReceiver, free_port
from spantap.model import ConfigurationError
from spantap.otel.delivery_stats import DeliveryStats
from spantap.settings import read

PROVIDER: Any = TracerProvider(shutdown_on_exit=False)
WAIT = 30.0
NOWHERE = f"http://127.0.0.1:{free_port()}"


def ask(count: int, body: bytes = b"{}") -> None:
    app = spantap.instrument_app(responding(body))
    for number in range(count):
        call(app, scope("GET", f"/{number}"))


def until(handle: spantap.Handle, wanted: Callable[[DeliveryStats], bool]) -> DeliveryStats:
    deadline = time.monotonic() + WAIT
    while not wanted(handle.stats().destinations["http"]):
        assert time.monotonic() < deadline, handle.stats()
        time.sleep(0.01)
    return handle.stats().destinations["http"]


def left_behind(directory: Path, count: int) -> None:
    """What a process leaves whose collector is down."""
    handle = spantap.configure(tracer_provider=PROVIDER, http_endpoint=NOWHERE, spool_dir=directory)
    ask(count)
    until(handle, lambda stats: stats.spooled == count)
    assert handle.shutdown(0.1)


@pytest.mark.setting("spool_dir")
def test_what_is_left_in_the_directory_is_delivered_later(tmp_path: Path) -> None:
    """With a directory, what a process leaves arrives once there is a collector again."""
    left_behind(tmp_path / "spool", 5)

    with HTTPReceiver(port=int(NOWHERE.rpartition(":")[2])) as receiver:
        handle = spantap.configure(
            tracer_provider=PROVIDER, http_endpoint=NOWHERE, spool_dir=str(tmp_path / "spool")
        )
        handle.tap.processor.begin()
        stats = until(handle, lambda stats: stats.adopted.exported == 5)
        handle.shutdown(1)

    assert stats.captured == 0
    # What the first was just sending as it was stopped may have arrived, too: the same batch.
    batches = {request.headers["idempotency-key"]: request.body for request in receiver.taken}
    assert sum(body.count(b'"span_id"') for body in batches.values()) == 5


@pytest.mark.setting("spool_max_bytes")
def test_the_directory_is_bounded(tmp_path: Path) -> None:
    """The files hold no more bytes than were allowed, and what had to go is counted."""
    handle = spantap.configure(
        tracer_provider=PROVIDER,
        http_endpoint=NOWHERE,
        spool_dir=tmp_path / "spool",
        spool_max_bytes=1024 * 1024,
        queue_max_bytes=1_000_000,
    )
    for _ in range(40):
        ask(10, b'"%s"' % (b"w" * 10_000))
        stats = until(handle, lambda stats: stats.queued <= 50)
    size = sum(path.stat().st_size for path in (tmp_path / "spool").rglob("*") if path.is_file())
    handle.shutdown(0.1)

    assert size <= 1024 * 1024
    assert stats.dropped["spool_full"] > 0
    assert stats.captured == 400 == stats.spooled + stats.queued + sum(stats.dropped.values())


@pytest.mark.setting("spool_max_age")
def test_what_is_too_old_is_dropped(tmp_path: Path) -> None:
    """What has been there for longer is not delivered, but counted."""
    left_behind(tmp_path / "spool", 5)
    for path in (tmp_path / "spool").rglob("*.records"):
        os.utime(path, (time.time() - 100, time.time() - 100))

    handle = spantap.configure(
        tracer_provider=PROVIDER, http_endpoint=NOWHERE, spool_dir=tmp_path / "spool", spool_max_age=50
    )
    handle.tap.processor.begin()
    stats = until(handle, lambda stats: "spool_age" in stats.adopted.dropped)
    handle.shutdown(0.1)

    assert stats.adopted.captured == stats.adopted.dropped["spool_age"] == 5


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"spool_dir": "{here}/file"}, "is not a directory; give the path of one"),
        ({"spool_dir": "{here}/no/spool"}, "the directory {here}/no does not exist; create it first"),
        ({"spool_dir": ""}, "use the path of a directory"),
        ({"spool_dir": 7}, "use the path of a directory"),
        ({"spool_max_bytes": 5}, "use a whole number from 1048576"),
        ({"spool_max_age": 0}, "use a number of seconds from 1 to"),
        ({"spool_max_age": True}, "use a number of seconds from 1 to"),
    ],
)
def test_bad_values_are_told(keywords: dict[str, Any], says: str, tmp_path: Path) -> None:
    """A directory that cannot be one is a mistake in the settings, with its remedy."""
    (tmp_path / "file").write_text("")
    given = {
        name: value.format(here=tmp_path) if isinstance(value, str) else value
        for name, value in keywords.items()
    }

    with pytest.raises(ConfigurationError) as raised:
        read({"http_endpoint": "http://h", "spool_dir": tmp_path, **given}, {})

    assert says.format(here=tmp_path) in str(raised.value)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere; run as another user"
)
def test_a_directory_one_may_not_write_to_is_told(tmp_path: Path) -> None:
    """A read-only directory is a mistake in the settings, told at the start."""
    tmp_path.chmod(0o500)

    with pytest.raises(ConfigurationError, match="is not writable by this user"):
        read({"http_endpoint": "http://h", "spool_dir": tmp_path}, {})


def test_a_bound_without_a_directory_is_told() -> None:
    """Bounds of a spool that is not there are a mistake."""
    with pytest.raises(ConfigurationError, match="no effect without SPOOL_DIR"):
        read({"http_endpoint": "http://h", "spool_max_age": 5}, {})


def test_a_spool_for_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool keeps for remote destinations: with stores alone it is a mistake."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)

    with pytest.raises(ConfigurationError, match="nothing goes to a remote destination"):
        spantap.configure(sqlite_path=tmp_path / "a.db", spool_dir=tmp_path / "spool")


def test_the_directory_may_stand_in_the_file(tmp_path: Path) -> None:
    """A relative path in the settings file starts there."""
    (tmp_path / "spantap.toml").write_text('spool_dir = "spool"\nhttp_endpoint = "http://h"\n')

    assert read({}, {}, tmp_path).settings.spool_dir == tmp_path / "spool"
