"""The collector that tests run: made by OpenTelemetry's builder from deploy/collector/builder.yaml, once.

python -m collector.build    prints where the program is; builds it if it is not there

Needs Go and nothing else: the gate runs it before there is a virtual environment. What is built is
kept outside the clone, by the manifest's hash; processes that want it at once wait for the first.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
MANIFEST: Final = ROOT / "deploy" / "collector" / "builder.yaml"
VARIABLE: Final = "SPANTAP_TEST_COLLECTOR"

_BUILDER: Final = "go.opentelemetry.io/collector/cmd/builder"
_NAME: Final = "otelcol-spantap"  # as the manifest says
_TRIES: Final = 3  # the module proxy may be away for a moment
_PAUSE: Final = 20.0  # seconds


class CannotBuildError(Exception):
    """There is no Go, or the build failed; the message says what to do, or what went wrong."""


def cache() -> Path:
    """The folder where things for tests are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spantap"


def place(manifest: Path = MANIFEST) -> Path:
    """Where the program of a manifest is, or would be."""
    identity = manifest.read_bytes() + f"{platform.system()} {platform.machine()}".encode()
    return cache() / f"collector-{hashlib.sha256(identity).hexdigest()[:16]}" / _NAME


def build() -> Path:
    """Build the collector unless it is there; some ten minutes on two cores with cold caches.

    Returns:
        Where the program is.

    Raises:
        CannotBuildError: see there.
    """
    program = place()
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            with tempfile.TemporaryDirectory(dir=program.parent) as folder:
                _built_in(Path(folder)).replace(program)
    return program


def _built_in(folder: Path) -> Path:
    go = _go()
    version = re.findall(r"^  version: (\S+)", MANIFEST.read_text(), re.MULTILINE)[0]
    print(f"building a collector {version} with {go}; this takes some minutes", file=sys.stderr, flush=True)
    environ = {
        **os.environ,
        "PATH": f"{Path(go).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
    }
    command = [go, "run", f"{_BUILDER}@v{version}", "--config", str(MANIFEST)]
    for left in reversed(range(_TRIES)):
        done = subprocess.run(
            command,
            cwd=folder,  # the manifest's output path is relative to it
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode == 0:
            return folder / "build" / _NAME
        said = done.stdout.decode(errors="replace")[-4000:]
        if left:
            print(f"{said}\nonce more", file=sys.stderr, flush=True)
            time.sleep(_PAUSE)
    raise CannotBuildError(f"the builder failed:\n{said}")


def _go() -> str:
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if found is None:
        raise CannotBuildError(
            "no go on the PATH, nor in /usr/local/go/bin: install Go 1.26 or later (https://go.dev/dl), or "
            f"set {VARIABLE} to the otelcol-contrib you have"
        )
    return found


def main() -> int:
    """The status: 0, or 1 when it cannot be built."""
    try:
        print(build())
    except CannotBuildError as error:
        print(f"collector: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
