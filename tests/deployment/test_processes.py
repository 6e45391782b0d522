"""Servers with several processes, and with processes that come and go: a request is one row and one span."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployment.apps import APPS, ROUTES
from deployment.serving import BOTH, GUNICORN, REQUESTS, UVICORN, Answer, Run, post, wait_for

# The command, and how often the app is imported at least.
CASES = {
    "uvicorn --workers": ("fastapi", [*UVICORN, "--workers=2", "app:app"], 2),
    "gunicorn --workers": ("flask", [*GUNICORN, "--workers=2", "app:app"], 2),
    "gunicorn --preload": ("wsgi", [*GUNICORN, "--preload", "--workers=2", "app:app"], 1),
    "gunicorn --max-requests": ("flask", [*GUNICORN, "--max-requests=3", "app:app"], 3),
}
IMPORTED = """
with open("imported", "a") as file:
    file.write("*")
"""


def imports(folder: Path) -> int:
    place = folder / "imported"
    return len(place.read_text()) if place.exists() else 0


def assert_all_there(run: Run, app: str) -> None:
    run.assert_answered()
    run.assert_stored(ROUTES.get(app))
    run.assert_exported()
    run.assert_clean()
    assert "Traceback" not in run.log


@pytest.mark.parametrize("name", list(CASES))
def test_no_request_is_lost(name: str, installed: Path, tmp_path: Path) -> None:
    """Whichever process answers it, and whatever becomes of that process."""
    app, command, processes = CASES[name]
    (tmp_path / "app.py").write_text(APPS[app] + IMPORTED)

    run = Run(tmp_path, "", command, BOTH, binaries=installed)

    assert_all_there(run, app)
    assert imports(tmp_path) >= processes


def test_reload(installed: Path, tmp_path: Path) -> None:
    """`uvicorn --reload`: the requests before and after the app is changed."""
    app = tmp_path / "app.py"
    app.write_text(APPS["fastapi"] + IMPORTED)

    def change_once(port: int, number: int) -> Answer:
        if number == REQUESTS // 2:
            before = imports(tmp_path)
            app.write_text(APPS["fastapi"] + IMPORTED + "# changed\n")
            wait_for(lambda: imports(tmp_path) > before, lambda: "not reloaded")
        return post(port, number)

    run = Run(tmp_path, "", [*UVICORN, "--reload", "app:app"], BOTH, binaries=installed, ask=change_once)

    assert_all_there(run, "fastapi")
    assert imports(tmp_path) == 2
