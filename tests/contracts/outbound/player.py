"""Plays scenes with one client, captured or not: a scene's name comes in, what was seen goes out.

``python -m contracts.outbound.player ADAPTER MODE FOLDER``; the folder holds the certificate.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import ssl
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from contracts.outbound import scenes_of_calls
from contracts.outbound.adapter import Client
from contracts.outbound.looped import LOOPED
from contracts.outbound.scene import Scene, play
from contracts.outbound.stage import steady
from contracts.outbound.threaded import THREADED
from contracts.outbound.wire import Server

for _each in ("responses", "requests", "endings"):
    importlib.import_module(f"contracts.outbound.scenes_of_{_each}")

ADAPTERS: Final[dict[str, type[Client]]] = {each.name: each for each in (*THREADED, *LOOPED)}
_CONTRIB: Final = {
    "requests": ("requests", "RequestsInstrumentor"),
    "urllib3": ("urllib3", "URLLib3Instrumentor"),
    "httpx": ("httpx", "HTTPXClientInstrumentor"),
    "aiohttp": ("aiohttp_client", "AioHttpClientInstrumentor"),
    "urllib": ("urllib", "URLLibInstrumentor"),
}


class Complaints(logging.Handler):
    """What Python, the client and spantap complain of while a scene is played."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        warnings.simplefilter("always")
        warnings.showwarning = self._warned
        sys.unraisablehook = self._unraisable
        threading.excepthook = self._unraisable
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "Executing %s took %.3f seconds":
            return  # asyncio's, in its debug mode: how busy the machine is
        self.texts.append(steady(f"{record.name}: {record.getMessage().splitlines()[0]}"))

    def _warned(self, message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        self.texts.append(steady(f"{category.__name__}: {message}"))

    def _unraisable(self, told: Any) -> None:
        self.texts.append(steady(f"nobody caught {told.exc_type.__name__}: {told.exc_value}"))

    def taken(self) -> list[str]:
        """Those since the last time, sorted: when something is collected is chance."""
        gc.collect()
        texts, self.texts = sorted(set(self.texts)), []
        return texts


def provide() -> None:
    """A tracer provider of the app's."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))


def contrib(door: str) -> None:
    """OpenTelemetry's own instrumentation of a client."""
    module, name = _CONTRIB[door]
    getattr(importlib.import_module(f"opentelemetry.instrumentation.{module}"), name)().instrument()


def capture(door: str) -> Callable[[], list[Any]]:
    """Capture a client; what gives the exchanges so far."""
    import spantap
    from spantap.export.memory import MemorySink

    memory = MemorySink(100_000)
    handle = spantap.configure(destinations=[memory])
    spantap.instrument_clients(door)

    def kept() -> list[Any]:
        handle.flush(30)
        exchanges = memory.read(limit=100_000)
        memory.clear()
        return list(exchanges)

    return kept


def unsampled(door: str) -> Callable[[], list[Any]]:
    """The same where nothing is sampled, and nobody would take it."""
    import spantap

    spantap.instrument_clients(door)
    return list


def prepared(door: str, mode: str) -> Callable[[], list[Any]]:
    """Set a mode up; what gives the exchanges so far."""
    if mode.startswith("contrib"):
        provide()
        contrib(door)
    if mode == "unsampled":
        return unsampled(door)
    return capture(door) if mode in ("captured", "contrib-captured") else list


MODES: Final = {"captured": "bare", "unsampled": "bare", "contrib-captured": "contrib"}
"""Mode -> that which it is compared with."""


def main(adapter: str, mode: str, folder: Path) -> None:
    """Play until the input ends."""
    kind = ADAPTERS[adapter]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "127.0.0.1.pem", folder / "127.0.0.1.key")
    scenes_of_calls.CERTIFICATE.append(str(folder / "authority.pem"))
    server, secure = Server(tls), Server(tls, secure=True)
    complaints = Complaints()
    kept = prepared(kind.door, mode)
    for line in sys.stdin:
        scene = Scene.all[line.strip()]
        seen = play(scene, kind, server, secure)
        exchanges = kept()
        seen["records"] = len(exchanges)
        seen["sizes"] = [[each.request.body.size, each.response.body.size] for each in exchanges]
        seen["complaints"] = complaints.taken()
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
