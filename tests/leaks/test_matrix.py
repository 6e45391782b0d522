"""The leak matrix, scene by scene; each is played once, with real clients and real servers."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from leaks import sent
from leaks.cases_of_calls import CALLS
from leaks.doors import ASGI, CASE, DOORS
from leaks.expected import LEAKING, WITHHELD, figures
from leaks.planting import CASES, Plant
from leaks.scenes import ENDPOINT, HEADERS, RESOURCE, SCENES, Played, play
from leaks.sending import DOORS as SENDERS
from leaks.sending import cases
from leaks.sent import SENT

# Some servers hand these to no app: it is a websocket, or breaks off.
NOT_FOR_ALL = {"websocket", "broken-off"}
# OpenTelemetry's own instrumentation of urllib asks for the length of bodies that have none, and raises.
UNSENT = {"sent-contrib": ("call-upload-raises", "call-upload-in-pieces")}
# Some clients refuse a header, or two ways of saying who it is, before there is a request; of a response with
# a broken coding aiohttp's door may keep no record.
NOT_BY_ALL = {"call-bad-request-header", "call-refused", "call-badly-compressed"}
SILENT = ("log", "stderr", "doctor", "their start")


def expected_at(played: Played, shape: str) -> None:
    """A useful shape is seen through every door, at every destination that shows bodies."""
    for door in DOORS:
        marker = played.plants[door].markers[shape].encode()
        for name, content in played.places.items():
            if name not in (*SILENT, "screens", "tail"):
                assert (marker in content) == (shape not in WITHHELD), (shape, door, name)


@pytest.mark.matrix
@pytest.mark.parametrize("scene", SCENES)
def test_nothing_planted_leaves_and_the_rest_is_seen(scene: str, tmp_path: Path) -> None:
    """No secret, nor a piece of one, in whatever spelling, is in any output; every request is recorded."""
    played = play(scene, tmp_path)

    leaks: dict[str, set[str]] = {}
    for place, found in played.found.items():
        for secret, door in found:
            leaks.setdefault(secret, set()).add(f"{door} -> {place}")
    assert {secret: ways for secret, ways in leaks.items() if secret not in LEAKING} == {}
    assert leaks.keys() >= LEAKING, "mended: take it out of LEAKING"
    stored = Counter(each.request.headers.first(CASE) for each in played.exchanges)
    # `current().skip()` is honoured.
    assert stored["skipped"] == 0
    assert {name for name in CASES if stored[name] != len(DOORS)} <= {"skipped", *NOT_FOR_ALL}
    assert all(stored[name] >= len(DOORS) - len(ASGI) for name in NOT_FOR_ALL)
    for shape in played.plants["asgi"].markers:
        expected_at(played, shape)
    assert b"spantap" in played.places["log"]


def test_the_page_has_the_figures() -> None:
    """docs/privacy.md says how much is planted and how many useful shapes are captured."""
    plant = Plant("asgi", "ours")
    for case in CASES.values():
        case(plant)
    shapes = len(plant.markers)
    planted = len({*plant.secrets, RESOURCE, ENDPOINT, HEADERS})
    page = (Path(__file__).parents[2] / "docs/privacy.md").read_text()

    assert shapes == 13
    assert figures(planted, len(LEAKING), shapes - len(WITHHELD), shapes) in re.sub(r"\s+", " ", page)


def test_the_page_has_the_figures_of_what_is_sent() -> None:
    """And how much is planted in requests that apps send."""
    plant = sent.planted("requests", "sent")
    planted = len({*plant.secrets, RESOURCE, ENDPOINT, HEADERS})
    page = (Path(__file__).parents[2] / "docs/privacy.md").read_text()

    shapes = len(plant.markers)
    assert figures(planted, 0, shapes, shapes) in re.sub(r"\s+", " ", page)


@pytest.mark.matrix
@pytest.mark.parametrize("scene", SENT)
def test_nothing_that_is_sent_leaves_and_the_rest_is_seen(scene: str, tmp_path: Path) -> None:
    """The same for requests that each client sends, and what comes back, or does not."""
    played = sent.play(scene, tmp_path)

    assert {place: found for place, found in played.found.items() if found} == {}
    stored = Counter(each.request.headers.first(CASE) for each in played.exchanges)
    assert {name for name in cases() if stored[name] != len(SENDERS)} == set()
    called = Counter(each.request.path.split("/")[1] for each in played.exchanges)
    few = {name for name in CALLS if called[name] < len(SENDERS)}
    assert few <= {*NOT_BY_ALL, *UNSENT.get(scene, ())}
    for door in SENDERS:
        if scene in UNSENT and door == "urllib":
            continue
        for shape, marker in played.plants[door].markers.items():
            for name, content in played.places.items():
                if name not in (*SILENT, "screens", "tail"):
                    assert marker.encode() in content, (shape, door, name)
