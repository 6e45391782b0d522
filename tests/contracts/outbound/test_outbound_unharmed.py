"""An app cannot tell whether what it sends is captured: scenes played twice by each client, and compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from contracts.outbound.comparing import Column, column, wanted
from contracts.outbound.player import ADAPTERS, MODES
from contracts.outbound.scene import Scene
from spantap.clients import CLIENTS

_ADAPTERS: Final = [name for name, adapter in ADAPTERS.items() if adapter.door in CLIENTS]
_ONE_OF_EACH: Final = [name for name in ("requests", "httpx", "aiohttp") if name in _ADAPTERS]
# What breaks first when something is not as it was; the others are in the matrix.
_FIRST: Final = (
    "plain-get",
    "ways",
    "handed-over",
    "headers-first",
    "without-body",
    "pulled-as-sent",
    "breaking-upload",
    "in-context",
    "closed-early",
    "resets",
    "unread",
    "sequence",
)
_IN_VAIN: Final = re.compile(r"in vain|the scene (raised|failed)|still open|says nothing")


def _texts(seen: dict[str, Any]) -> list[str]:
    return [*seen["client"], *(note for connection in seen["server"] for note in connection)]


def _expect_sameness(found: Column, *, refused: tuple[str, ...] = ()) -> None:
    assert found.differences == {}
    assert "spantap failed" not in found.log
    for name, seen in found.plain.items():
        # So that sameness means something.
        assert [text for text in _texts(seen) if _IN_VAIN.search(text)] == [], name
        unsure = name in refused or Scene.all[name].broken
        assert unsure or seen["requests"] >= Scene.all[name].least, name


@pytest.mark.parametrize("adapter", _ONE_OF_EACH)
def test_nothing_differs_in_what_matters_most(adapter: str, tmp_path: Path) -> None:
    """Bytes, exceptions, streams, uploads, connections and objects are the same with capture and without."""
    found = column(adapter, "captured", [Scene.all[name] for name in _FIRST], tmp_path)

    _expect_sameness(found)
    for name, seen in found.captured.items():
        # Each request is one exchange; of what breaks off the server need not have seen anything.
        assert seen["records"] == seen["requests"] or Scene.all[name].broken, name
        assert seen["ours"] == ["traceparent"]


@pytest.mark.matrix
@pytest.mark.parametrize("adapter", _ADAPTERS)
def test_nothing_differs(adapter: str, tmp_path: Path) -> None:
    """Nor in any other scene."""
    found = column(adapter, "captured", wanted(adapter), tmp_path)

    _expect_sameness(found)
    assert len(found.plain) > 30
    for name, seen in found.captured.items():
        # A request that never reached the server is an exchange as well.
        assert seen["records"] >= seen["requests"] - _no_exchanges(seen), name


@pytest.mark.matrix
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "captured"])
@pytest.mark.parametrize("adapter", _ADAPTERS)
def test_nothing_differs_in_other_company(adapter: str, mode: str, tmp_path: Path) -> None:
    """Nor beside OpenTelemetry's own instrumentation, nor where nothing is sampled and nothing kept."""
    # OpenTelemetry's own instrumentation of urllib takes no generators for bodies.
    refused = (
        ("pulled-as-sent", "breaking-upload", "in-context")
        if adapter == "urllib" and "contrib" in mode
        else ()
    )
    _expect_sameness(column(adapter, mode, [Scene.all[name] for name in _FIRST], tmp_path), refused=refused)


@pytest.mark.matrix
@pytest.mark.parametrize("adapter", _ADAPTERS)
def test_nothing_differs_when_it_is_large(adapter: str, tmp_path: Path) -> None:
    """Megabytes up and down, and a stream of many thousand pieces."""
    found = column(adapter, "captured", wanted(adapter, heavy=True), tmp_path)

    _expect_sameness(found)


def _no_exchanges(seen: dict[str, Any]) -> int:
    """Requests that open a tunnel are no exchange of the app's, and OPTIONS is not kept by default."""
    return sum(note.startswith(("CONNECT ", "OPTIONS ")) for note in _texts(seen))
