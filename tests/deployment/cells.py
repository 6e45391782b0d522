"""The deployment matrix: set-ups x frameworks x ways to switch the capture on x versions, and which half is
run in the gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from deployment.environments import Versions
from deployment.serving import GUNICORN, UVICORN

FRAMEWORKS: Final = ("fastapi", "starlette", "flask", "django", "asgi", "wsgi")
WAYS: Final = ("opentelemetry-instrument", "spantap run", "PYTHONPATH", "in code")
_ASGI: Final = ("fastapi", "starlette", "django", "asgi")
_WSGI: Final = ("flask", "django", "wsgi")
_BARE: Final = ("asgi", "wsgi")


@dataclass(frozen=True)
class SetUp:
    """A server and how it is started.

    Attributes:
        command: with ``{app}`` and ``{port}`` in it.
        frameworks: what it serves.
        bare_in_code: it takes a bare callable in where nobody sees it: that has to be wrapped in code.
        ends_late: told to stop in the midst of work it does not end well: it is told when all is delivered.
        adapter: the name of the handler's maker, for AWS Lambda.
    """

    command: list[str]
    frameworks: tuple[str, ...]
    bare_in_code: bool = False
    ends_late: bool = False
    adapter: str = ""


def _gunicorn(worker: str, *more: str) -> list[str]:
    return [*GUNICORN, *f"--worker-class={worker}".split(), *more, "{app}"]


_LAMBDA: Final = ["python", "gateway.py", "{port}"]
_GRANIAN: Final = ["granian", "--port={port}"]
_UWSGI: Final = [
    *("uwsgi", "--http-socket=127.0.0.1:{port}", "--module={app}", "--pythonpath=."),
    *("--master", "--enable-threads", "--py-call-uwsgi-fork-hooks"),
    "--hook-master-start=unix_signal:15 gracefully_kill_them_all",
]
_PRELOAD: Final = ("--preload", "--workers=2")

SETUPS: Final[Mapping[str, SetUp]] = {
    "uvicorn": SetUp([*UVICORN, "{app}"], _ASGI),
    "uvicorn --workers": SetUp([*UVICORN, "--workers=2", "{app}"], _ASGI),
    "uvicorn --reload": SetUp([*UVICORN, "--reload", "{app}"], _ASGI),
    # Not Django: h11 refuses the space it writes before each cookie.
    "uvicorn, WSGI": SetUp([*UVICORN, "--interface=wsgi", "{app}"], ("flask", "wsgi")),
    "hypercorn": SetUp(["hypercorn", "--bind=127.0.0.1:{port}", "{app}"], _ASGI),
    "hypercorn, WSGI": SetUp(["hypercorn", "--bind=127.0.0.1:{port}", "wsgi:{app}"], _WSGI),
    "granian": SetUp([*_GRANIAN, "--interface=asgi", "{app}"], _ASGI),
    "granian, WSGI": SetUp([*_GRANIAN, "--interface=wsgi", "{app}"], _WSGI),
    "daphne": SetUp(["daphne", "-p", "{port}", "{app}"], _ASGI),
    "waitress": SetUp(["waitress-serve", "--listen=127.0.0.1:{port}", "{app}"], _WSGI),
    **{
        f"gunicorn {worker}{more}": SetUp(_gunicorn(name, *options), frameworks)
        for worker, name, frameworks in (
            ("sync", "sync", _WSGI),
            ("gthread", "gthread --threads=4", _WSGI),
            ("gevent", "gevent", _WSGI),
            ("uvicorn", "uvicorn_worker.UvicornWorker", _ASGI),
            ("asgi", "asgi", _ASGI),
        )
        for more, options in (
            ("", ()),
            (" --preload", _PRELOAD),
            (" --max-requests", ("--max-requests=3", "--workers=2")),
        )
    },
    "uWSGI": SetUp(_UWSGI, _WSGI, bare_in_code=True),
    "uWSGI --lazy-apps": SetUp([*_UWSGI, "--lazy-apps"], _WSGI, bare_in_code=True),
    "flask run": SetUp(["flask", "--app={app}", "run", "--port={port}"], ("flask",)),
    "flask run --debug": SetUp(
        ["flask", "--app={app}", "--debug", "run", "--port={port}"], ("flask",), ends_late=True
    ),
    "manage.py runserver": SetUp(
        ["python", "manage.py", "runserver", "127.0.0.1:{port}"], ("django",), ends_late=True
    ),
    "manage.py runserver --noreload": SetUp(
        ["python", "manage.py", "runserver", "127.0.0.1:{port}", "--noreload"], ("django",)
    ),
    "Lambda, Mangum": SetUp(_LAMBDA, _ASGI, bare_in_code=True, adapter="mangum"),
    "Lambda, apig-wsgi": SetUp(_LAMBDA, _WSGI, bare_in_code=True, adapter="apig-wsgi"),
    "Lambda, serverless-wsgi": SetUp(_LAMBDA, _WSGI, bare_in_code=True, adapter="serverless-wsgi"),
}


@dataclass(frozen=True)
class Cell:
    """One deployment.

    Attributes:
        half: it is of those the gate runs.
    """

    setup: str
    framework: str
    way: str
    versions: Versions = "latest"
    half: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        floors = "" if self.versions == "latest" else ", at its floor"
        return f"{self.framework}{floors}, {self.setup}, {self.way}"


def cells() -> list[Cell]:
    """All of them: every way of each pair with the newest frameworks, one way of each pair at the floors.

    The half is every other one, as on a chessboard, and where there is but one framework or one way, all.
    """
    made = []
    for row, (name, setup) in enumerate(SETUPS.items()):
        for framework in setup.frameworks:
            column = FRAMEWORKS.index(framework)
            bare = framework in _BARE
            ways = ("in code",) if bare and setup.bare_in_code else WAYS
            made += [
                Cell(
                    name,
                    framework,
                    way,
                    half=(row + column + WAYS.index(way)) % 2 == 0 or 1 in (len(ways), len(setup.frameworks)),
                )
                for way in ways
            ]
            if not bare:
                way = WAYS[(row + column) % len(WAYS)]
                made.append(Cell(name, framework, way, "floors", half=(row // 2 + column) % 2 == 0))
    return made


def interrupted() -> list[Cell]:
    """One for each set-up that ends well by SIGINT: gunicorn and uWSGI end their workers at once by it."""
    return _one_of_each(
        name
        for name, setup in SETUPS.items()
        if not name.startswith(("gunicorn", "uWSGI")) and not setup.adapter and not setup.ends_late
    )


def killed() -> list[Cell]:
    """One for each set-up, functions apart: they are killed anyway."""
    return _one_of_each(name for name, setup in SETUPS.items() if not setup.adapter)


def _one_of_each(names: Iterable[str]) -> list[Cell]:
    """Each way and each framework has its turn; every other one is in the half."""
    made = []
    for row, name in enumerate(names):
        setup = SETUPS[name]
        known = [each for each in setup.frameworks if not (setup.bare_in_code and each in _BARE)]
        made.append(Cell(name, known[row % len(known)], WAYS[(row // 2) % len(WAYS)], half=row % 2 == 0))
    return made
