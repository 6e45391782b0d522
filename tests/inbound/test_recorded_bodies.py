"""What is recorded of bodies, asked of real apps through both doors on real servers.

Each body goes both ways: the app answers with the bytes it was sent and the same header fields.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packing import PACKED, field, file, form
from spantap.export.sqlite import SQLiteSink
from spantap.model import Body, Exchange

TESTS = Path(__file__).parent.parent
SERVERS = {"asgi": "uvicorn-httptools", "wsgi": "waitress"}
SECRET = "hunter2hunter2"
MASK = "[REDACTED]"
JSON = "application/json"
FORM = "multipart/form-data; boundary=xYz"


class Apps:
    """Both apps on their servers, each captured into two stores."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cases = itertools.count()
        self._servers = {door: self._serve(door, server) for door, server in SERVERS.items()}
        self._ports = {
            door: int(each.stdout.readline()) for door, each in self._servers.items() if each.stdout
        }

    def _serve(self, door: str, server: str) -> subprocess.Popen[str]:
        command = ["-m", "spantap.testing.serve", server, "--app", f"echo_apps:{door}", "--capture"]
        stores = {"SQLITE": f"{door}.db", "JSONL": f"{door}.jsonl"}
        return subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env={
                **os.environ,
                "PYTHONPATH": str(TESTS),
                "OTEL_BSP_SCHEDULE_DELAY": "20",
                **{f"OTEL_PYTHON_SPANTAP_{kind}_PATH": name for kind, name in stores.items()},
            },
        )

    def close(self) -> None:
        for each in self._servers.values():
            each.communicate(timeout=60)

    def echo(self, door: str, body: bytes, headers: dict[str, str]) -> Exchange:
        """The record of a body that was sent and came back unharmed."""
        path = f"/echo/{next(self._cases)}"
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[door], timeout=60)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, body)
        finally:
            connection.close()
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(FileNotFoundError):
                for each in SQLiteSink(self._folder / f"{door}.db").read(limit=1):
                    if each.request.path == path:
                        return each
            assert time.monotonic() < deadline, path
            time.sleep(0.01)

    def stored(self) -> bytes:
        """Every byte on disk."""
        return b"".join(each.read_bytes() for each in self._folder.iterdir())


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    made = Apps(tmp_path_factory.mktemp("apps"))
    yield made
    made.close()


@pytest.fixture(params=["asgi", "wsgi"])
def door(request: pytest.FixtureRequest) -> Any:
    return request.param


def both(apps: Apps, door: str, body: bytes, content_type: str, coding: str | None = None) -> Body:
    """What is recorded of the body, the same on its way there and back; no secret is stored with it."""
    headers = {"Content-Type": content_type}
    if coding is not None:
        headers["Content-Encoding"] = coding
    exchange = apps.echo(door, body, headers)
    assert exchange.request.body == exchange.response.body
    assert exchange.request.body.size == len(body)
    stored = apps.stored()
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
        assert SECRET.encode(encoding) not in stored
    assert body not in stored or SECRET.encode() not in body
    return exchange.request.body


@pytest.mark.parametrize(("coding", "pack"), PACKED.values(), ids=PACKED)
def test_packed_bodies_are_read_and_cleaned(apps: Apps, door: str, coding: str, pack: Any) -> None:
    """Any coding, any order: the text is shown, the secret is not, the size is that of the wire."""
    body = both(apps, door, pack(b'{"password":"%s","n":1}' % SECRET.encode()), JSON, coding)

    assert body.content == '{"password":"[REDACTED]","n":1}'


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_bombs_and_broken_ones_are_withheld(apps: Apps, door: str, name: str) -> None:
    """Ten megabytes in ten kilobytes, a cut stream, an unknown coding: a reason instead of a body."""
    coding, pack = PACKED[name]
    secret = pack(b'{"password":"%s"}' % SECRET.encode())

    assert both(apps, door, pack(b"\0" * 10_000_000), JSON, coding).withheld == "malformed"
    assert both(apps, door, pack(b"[" + b'"a", ' * 2_000_000), JSON, coding).truncated
    assert both(apps, door, secret[:-1], JSON, coding).withheld == "corrupt"
    assert both(apps, door, secret, JSON, "rot13").withheld == "content-coding"


@pytest.mark.parametrize("size", [0, 40, 5_000_000])
def test_forms_are_fields_and_files(apps: Apps, door: str, size: int) -> None:
    """Fields before and behind a file of any size; its name, type and size, never its content."""
    upload = form(
        field("title", b"Cats"),
        field("password", SECRET.encode()),
        file("photo", "cat.png", (SECRET.encode() * size)[:size]),
        field("settings", b'{"api_key":"%s","size":3}' % SECRET.encode()),
    )
    body = both(apps, door, upload, FORM)

    assert isinstance(body.content, str)
    assert json.loads(body.content) == [
        {"name": "title", "value": "Cats"},
        {"name": "password", "value": MASK},
        {"name": "photo", "filename": "cat.png", "content_type": "image/png", "size": size},
        {"name": "settings", "value": '{"api_key":"[REDACTED]","size":3}'},
    ]


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "utf-16", "utf-16le", "utf-32be", None])
def test_charsets_are_read_and_cleaned(apps: Apps, door: str, charset: str | None) -> None:
    """JSON in the charset it names, or, naming none, in UTF-16 without a mark."""
    text = f'{{"café":"é","password":"{SECRET}"}}'
    named = f"{JSON}; charset={charset}" if charset else JSON
    body = both(apps, door, text.encode(charset or "utf-16le"), named)

    assert body.content == '{"café":"é","password":"[REDACTED]"}'


@pytest.mark.parametrize(
    ("reason", "data", "content_type"),
    [
        ("charset", b"\xff\xfe\xfd" + SECRET.encode(), "text/plain"),
        ("charset", b'{"a":"\xff","password":"%s"}' % SECRET.encode(), JSON),
        ("charset", f"pin={SECRET}".encode("utf-16-le"), "text/plain"),
        ("charset", SECRET.encode(), "text/plain; charset=klingon"),
        ("binary", b"\x89PNG\r\n" + SECRET.encode(), "image/png"),
        ("binary", b"\x0a\x0e" + SECRET.encode(), "application/x-protobuf"),
        ("multipart", b"--b\r\n\r\n%s\r\n--b--" % SECRET.encode(), "multipart/mixed; boundary=b"),
        ("truncated", SECRET.encode() * 2000, "text/plain"),
    ],
)
def test_what_cannot_be_read_is_withheld(
    apps: Apps, door: str, reason: str, data: bytes, content_type: str
) -> None:
    """Invalid, binary, unknown or too long: the size and the reason."""
    assert both(apps, door, data, content_type) == Body(None, len(data), False, reason)


@pytest.mark.parametrize("size", [16 * 1024, 16 * 1024 + 1, 20 * 1024])
def test_longer_than_the_limit_is_cut_and_says_so(apps: Apps, door: str, size: int) -> None:
    """The first 16 KiB are shown, a byte more is flagged; the size is the true one."""
    body = both(apps, door, b"x" * size, "text/plain")

    assert body == Body("x" * 16 * 1024, size, size > 16 * 1024)
