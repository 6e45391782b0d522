"""What passes between an app and the test beside the connection: notes, and gates to wait at.

Files in a folder, so that it works from any thread or process of any server, and outlives them.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Final

FOLDER: Final = "SPANTAP_TESTING_STAGE"
_AT_MOST: Final = 4.0  # seconds an app waits at a gate
_POLL: Final = 0.01


class Stage:
    """The notes and gates of scenes, in a folder. One write is one note, whoever writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, scene: str, text: str) -> None:
        """Something happened in the app."""
        line = json.dumps(text).encode() + b"\n"
        file = os.open(self._folder / f"{scene}.notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def notes(self, scene: str) -> list[str]:
        """What happened, in order."""
        try:
            lines = (self._folder / f"{scene}.notes").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def open_gate(self, scene: str) -> None:
        """Let the app go on."""
        (self._folder / f"{scene}.gate").touch()

    def gate_is_open(self, scene: str) -> bool:
        """Whether it may."""
        return (self._folder / f"{scene}.gate").exists()

    def clear(self, scene: str) -> None:
        """Forget what an earlier run of the scene left."""
        for suffix in ("notes", "gate"):
            (self._folder / f"{scene}.{suffix}").unlink(missing_ok=True)


def here() -> Stage:
    """The stage of this process, as the environment names it."""
    return Stage(Path(os.environ[FOLDER]))


def note(scene: str, text: str) -> None:
    """Something happened in the app."""
    here().note(scene, text)


def wait(scene: str) -> None:
    """Until the client opens the scene's gate; noted when it does not."""
    deadline = time.monotonic() + _AT_MOST
    while not here().gate_is_open(scene):
        if time.monotonic() > deadline:
            note(scene, "waited in vain")
            return
        time.sleep(_POLL)


async def wait_async(scene: str) -> None:
    """As `wait`, without blocking the event loop or leaving the task."""
    deadline = time.monotonic() + _AT_MOST
    while not here().gate_is_open(scene):
        if time.monotonic() > deadline:
            note(scene, "waited in vain")
            return
        await asyncio.sleep(_POLL)
