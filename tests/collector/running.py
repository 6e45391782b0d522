"""A collector that runs for a test: started, asked, stopped, killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from collector.build import ROOT
from deployment.serving import wait_for
from services.servers import free_port
from spantap.codec import otlp_json
from spantap.model import Exchange

SINGLE: Final = ROOT / "otel-collector-config.yaml"
DEPLOY: Final = ROOT / "deploy"
_STOP_SECONDS: Final = 60.0
_PORTS: Final = ("GRPC_PORT", "HTTP_PORT", "HEALTH_PORT", "METRICS_PORT", "RELAY_1_PORT", "RELAY_2_PORT")

_given: set[int] = set()
# pytest-xdist's, if it runs the tests: its processes look for ports at the same time.
_worker: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8


class Collector:
    """One collector in a folder of its own, on free ports of the loopback. For one thread.

    Attributes:
        folder: where it runs; its files are there, and what it says, in ./log.
        grpc, http: host and port for OTLP.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        configurations: Sequence[Path | str],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Args:
        program: the collector.
        folder: made if need be.
        configurations: files, or what the command line takes for one (``yaml:...``).
        environ: beside our own environment and the variables that say where it listens.
        """
        self.folder = folder
        folder.mkdir(exist_ok=True)
        ports = {name: str(own_port()) for name in _PORTS}
        addresses = (f"127.0.0.1:{port}" for port in ports.values())
        self.grpc, self.http, self._health, self._metrics, *_ = addresses
        ours = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        self._environ = {**ours, **ports, **(environ or {})}
        self._command = [str(program), *(f"--config={each}" for each in configurations)]
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def single(cls, program: Path, folder: Path, **changes: Any) -> Collector:
        """The one of `otel-collector-config.yaml`, on ports of its own.

        Args:
            program, folder: see above.
            changes: exporter -> settings laid over the file's.
        """
        collector = cls(program, folder, [])
        address = {"grpc": {"endpoint": collector.grpc}, "http": {"endpoint": collector.http}}
        over = {
            "receivers": {"otlp": {"protocols": address}},
            "extensions": {"health_check": {"endpoint": collector._health}},
            "exporters": changes,
            "service": {"telemetry": {"metrics": {"level": "none"}}},
        }
        collector._command += [f"--config={SINGLE}", f"--config=yaml:{json.dumps(over)}"]
        return collector

    def __enter__(self) -> Collector:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, anew if need be, and wait until it says that it is well."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, not for it
            )
        try:
            wait_for(lambda: self._ended() or self._is_well(), lambda: self.log)
            assert not self._ended(), self.log
        except BaseException:
            self.kill()  # nobody else will
            raise

    def stop(self) -> None:
        """End it in an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without giving it time."""
        self._end(signal.SIGKILL)

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")

    def counted(self, metric: str, label: str = "") -> int:
        """The sum of one of its own counters, as it is now; 0 while there is none.

        Args:
            metric: its name, without the unit and kind that are appended.
            label: only where this is among the labels (``receiver="otlp"``).
        """
        text = _get(f"http://{self._metrics}/metrics").decode()
        found = re.findall(rf"^{metric}(?:__\w+?__)?(?:_total)?{{(.*)}} (\S+)$", text, re.MULTILINE)
        return int(sum(float(value) for labels, value in found if label in labels))

    def exchanges(self, file: str = "spans.jsonl") -> list[Exchange]:
        """The exchanges in a file it writes, in order; none while there is no file."""
        path = self.folder / file
        if not path.exists():
            return []
        with path.open("rb") as lines:
            # The last line may not be whole yet.
            return list(otlp_json.from_lines(line for line in lines if line.endswith(b"\n")))

    def _is_well(self) -> bool:
        with contextlib.suppress(OSError, urllib.error.URLError):
            return bool(_get(f"http://{self._health}/"))
        return False

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            process.wait(_STOP_SECONDS)
        finally:
            process.kill()
            process.wait()


def own_port() -> int:
    """A free port nobody else here gets, not even while what listens on it is down."""
    while True:
        port = free_port()
        if port % 8 == _worker and port not in _given:
            _given.add(port)
            return port


def validated(program: Path, *configurations: Path | str) -> subprocess.CompletedProcess[str]:
    """What the collector says of configurations it is not to run."""
    command = [str(program), "validate", *(f"--config={each}" for each in configurations)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def by_id(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """In an order that does not depend on who came first."""
    return sorted(exchanges, key=lambda each: (each.trace_id, each.span_id))


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        content: bytes = response.read()
        return content
