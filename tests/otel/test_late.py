"""The attributes of live spans of ours are made when somebody looks; nobody can tell that they were not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
TESTS = Path(__file__).parent.parent
PROGRAM = """
import gc, json, sys, weakref
from asgi_client import call, responding, scope
from opentelemetry import trace
import spantap
from spantap.otel.late import LateAttributes

look = sys.argv[1]
answer = responding(b"{}")
spans, seen, made = [], [], []

class Marked(dict):
    pass

async def app(request, receive, send):
    span = trace.get_current_span()
    spans.append(span)
    if look == "reads":
        seen.append(dict(span.attributes))
    if look == "sets":
        span.set_attribute("shop.basket", 3)
        span.set_attributes({"url.scheme": "https"})
    if look == "fails":
        raise ValueError("no")
    await answer(request, receive, send)

inner = spantap.instrument_app(app)
request = Marked(scope(headers=[("user-agent", "curl/8"), ("host", "shop")]))
alive = weakref.ref(request)
try:
    call(inner, request)
except ValueError:
    pass
request = None
spantap.configure().flush()
gc.collect()
held = alive() is not None
untouched = "made" not in spans[0]._attributes.__dict__
after = dict(spans[0].attributes)
print("\\n" + json.dumps([untouched, held, seen, after, type(spans[0]._attributes).__name__]))
"""


def run(look: str, folder: Path, *command: str | Path, **environ: str) -> tuple[Any, dict[str, Any]]:
    """What the program says, and the attributes of the span the console exporter shows."""
    done = subprocess.run(
        [*command, sys.executable, "-c", PROGRAM, look],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS), "OTEL_TRACES_EXPORTER": "console", **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown, said = done.stdout.rstrip().rsplit("\n", 1)
    return json.loads(said), json.loads(shown)["attributes"]


ZERO_CODE: tuple[str | Path, ...] = (BIN / "spantap", "run", "--")
BOTH = pytest.mark.parametrize("command", [(), ZERO_CODE], ids=["in code", "zero code"])


@BOTH
def test_nobody_looks(command: tuple[str | Path, ...], tmp_path: Path) -> None:
    """They are not made, hold nothing of the request any more, and say it all when asked afterwards."""
    (untouched, held, _, after, _), exported = run("no", tmp_path, *command)

    assert untouched
    assert not held
    assert after["user_agent.original"] == exported["user_agent.original"] == "curl/8"
    assert after["http.response.status_code"] == 200
    assert not any("header" in name or "body" in name for name in after)
    assert after.items() <= exported.items()


@BOTH
def test_the_app_looks(command: tuple[str | Path, ...], tmp_path: Path) -> None:
    """It sees at once what the span started with; neither live span nor export differ for it."""
    (_, _, _, plain, _), unread = run("no", tmp_path, *command)
    (untouched, _, (started,), after, _), exported = run("reads", tmp_path, *command)

    assert not untouched
    assert started.items() <= plain.items()
    assert {"http.request.method", "url.path", "user_agent.original"} <= started.keys()
    assert after == plain
    for each in (unread, exported):
        del each["spantap.time_to_first_byte"]
    assert exported == unread


def test_the_app_sets_its_own(tmp_path: Path) -> None:
    """What it sets is exported beside the exchange, and stands on the live span over what was there."""
    (_, _, _, after, _), exported = run("sets", tmp_path)

    assert after["shop.basket"] == exported["shop.basket"] == 3
    assert after["url.scheme"] == "https"
    assert after["url.path"] == exported["url.path"]


def test_it_fails(tmp_path: Path) -> None:
    """The error is on the live span although nobody had looked before."""
    (_, _, _, after, _), exported = run("fails", tmp_path)

    assert after["error.type"] == exported["error.type"] == "ValueError"


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "40"},
        {"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "100"},
    ],
)
def test_limits_hold(environ: dict[str, str], tmp_path: Path) -> None:
    """With limits that attributes might not fit in, the SDK keeps them, as it does."""
    (_, _, _, after, kind), _ = run("no", tmp_path, **environ)

    assert kind == "BoundedAttributes"
    assert after["url.path"]
    assert after["http.response.status_code"] == 200
