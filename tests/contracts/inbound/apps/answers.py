"""What the seven apps answer, so that they cannot differ by accident, and what they remember.

`marks` is what happened inside an app (a generator's ``finally``); `released` holds back streams
until somebody says go on. Both belong to the one process that serves the app.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Final

from opentelemetry import trace

import spantap

BIG: Final = "0123456789abcdef" * 6400  # 100 KiB
ECHO: Final = "an echo"
IGNORED: Final = "not read"
PIECES: Final = tuple(f"piece {number}\n".encode() for number in range(6))
PAUSE: Final = 0.01  # seconds between pieces
ENDLESS: Final = 400  # pieces of a stream nobody is expected to wait for
HELD_AT_MOST: Final = 5.0  # seconds
ECHO_PAUSE: Final = 0.02  # seconds in which requests overlap
FILE: Final = Path(__file__).with_name("a_file.txt")
BOOM: Final = "no luck with password=boom-password-7531"

marks: list[str] = []
released: dict[str, threading.Event] = {}
_lock = threading.Lock()


class BoomError(Exception):
    """What goes wrong in ``/boom`` and ``/halfway``."""


def gate(name: str) -> threading.Event:
    """The event a stream of this name waits for."""
    with _lock:
        return released.setdefault(name, threading.Event())


def hold(name: str) -> None:
    """Wait until the client, who has the first piece by now, asks for more."""
    if not gate(name).wait(HELD_AT_MOST):
        marks.append(f"{name} waited in vain")


def echo_body(name: str, received: bytes) -> bytes:
    """The answer to ``POST /echo/{name}``: a part of the request, and a secret."""
    note = json.loads(received)["note"]
    answer = {"name": name, "note": note, "access_token": "answered-token-8642"}
    spantap.current().company(f"company of {name}")
    return json.dumps(answer).encode()


def echo_headers(name: str) -> list[tuple[str, str]]:
    """Its headers; two of the same name among them."""
    return [
        ("Content-Type", "application/json"),
        ("X-Echo", name),
        ("Set-Cookie", "session=cookie-secret-9753; Path=/; HttpOnly"),
        ("Set-Cookie", "theme=dark; Path=/"),
    ]


def who() -> dict[str, Any]:
    """The answer to ``GET /who``: whose span the app sees. Names the user by `spantap.current()`."""
    spantap.current().user("user-of-who", email="who@example.com")
    context = trace.get_current_span().get_span_context()
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
        "sampled": bool(context.trace_flags.sampled),
    }


def next_piece(name: str, number: int) -> bytes:
    """A piece of the stream of this name; `spantap.current()` works while it is made."""
    spantap.current().session(f"stream {name}").metric("pieces", number + 1)
    return PIECES[number % len(PIECES)]


def stream_over(name: str, finished: bool) -> None:
    """A stream came to its end, or was closed before."""
    spantap.current().metadata(over=name)
    marks.append(f"{name} {'finished' if finished else 'closed'}")


def wanted(query: dict[str, str]) -> tuple[str, int, bool]:
    """What a query asks of ``/stream``: its name, how many pieces, whether to be held after the first."""
    name = query.get("case", "")
    return name, ENDLESS if "endless" in query else len(PIECES), "held" in query
