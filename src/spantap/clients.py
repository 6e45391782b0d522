"""Clients an app sends requests with: switching their doors on and off."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import wrapt

from spantap.guard import logger, report
from spantap.model import ConfigurationError, Problem, did_you_mean
from spantap.otel.client_tap import ClientTap

# Client -> what is imported when there is something to instrument.
_MODULES: Final[Mapping[str, str]] = {
    "requests": "requests.sessions",
    "urllib3": "urllib3.poolmanager",
    "httpx": "httpx",
    "httpx2": "httpx2",
    "aiohttp": "aiohttp",
    "urllib": "urllib.request",
}
CLIENTS: Final = tuple(_MODULES)
_SHARED: Final = frozenset({"requests", "urllib3"})  # one sends with the other

_wanted: dict[str, Callable[[], ClientTap]] = {}
_hooked: set[str] = set()


def switch_on(names: Iterable[str], tap: Callable[[], ClientTap]) -> None:
    """Capture what these clients send from now on, or from when the app imports them.

    Args:
        names: some of `CLIENTS`; all when there are none.
        tap: gives the tap when the first request is sent.

    Raises:
        ConfigurationError: there is no such client.
    """
    wanted = checked(names)
    _wanted.update(dict.fromkeys(wanted, tap))
    # Of two that share a door both have to be known, to tell the requests of one from those of the other.
    for name in dict.fromkeys((*wanted, *(_SHARED if not _SHARED.isdisjoint(wanted) else ()))):
        module = _MODULES[name]
        if name in _hooked:
            if module in sys.modules:
                _meet(name)
        else:
            _hooked.add(name)
            wrapt.register_post_import_hook(functools.partial(_imported, name), module)


def switch_off(names: Iterable[str] = ()) -> None:
    """Leave these clients, or all, as they were; requests on their way are finished.

    Raises:
        ConfigurationError: there is no such client.
    """
    for name in checked(names):
        if _wanted.pop(name, None) is not None and _MODULES[name] in sys.modules:
            _meet(name)


def met() -> tuple[str, ...]:
    """The clients that are captured."""
    return tuple(name for name in CLIENTS if name in _wanted and _MODULES[name] in sys.modules)


def checked(names: Iterable[str]) -> tuple[str, ...]:
    """These clients, or all when none is named.

    Raises:
        ConfigurationError: there is no such client.
    """
    given = tuple(names)
    problems = [
        Problem("client", repr(name), f"use some of {', '.join(CLIENTS)}{did_you_mean(str(name), CLIENTS)}")
        for name in given
        if name not in CLIENTS
    ]
    if problems:
        raise ConfigurationError(problems)
    return given or CLIENTS


def _imported(name: str, module: Any) -> None:
    _meet(name)


def _meet(name: str) -> None:
    """A client is there: switch its door on, or off."""
    try:
        if name in _SHARED:
            _meet_urllib3()
        else:
            door = importlib.import_module(f"spantap.outbound.{name}")
            tap = _wanted.get(name)
            door.uninstrument() if tap is None else door.instrument(tap)
        logger.debug("%s: requests it sends are %scaptured", name, "" if name in _wanted else "not ")
    except Exception as error:  # noqa: BLE001 - a client we cannot instrument is left alone
        report(f"instrumenting {name}", error)


def _meet_urllib3() -> None:
    wanted = {name: _wanted[name] for name in _SHARED if name in _wanted}
    if "requests.sessions" in sys.modules:
        door = importlib.import_module("spantap.outbound.requests")
        door.instrument() if wanted else door.uninstrument()
    if "urllib3.poolmanager" in sys.modules:
        door = importlib.import_module("spantap.outbound.urllib3")
        if wanted:
            door.instrument(next(iter(wanted.values())), frozenset(wanted))
        else:
            door.uninstrument()
