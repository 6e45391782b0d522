"""Start the servers, and stop them when all is done.

python -m services [--install]               until Ctrl-C; prints what to tell the tests
python -m services [--install] -- COMMAND    while the command runs, which is told where they are
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from services.servers import KINDS, Server

_POLICY: Final = Path("/usr/sbin/policy-rc.d")


def main() -> int:
    """The status of the command, or 2 when there are no servers."""
    parser = argparse.ArgumentParser(prog="services", description="PostgreSQL, MariaDB and Redis for tests")
    parser.add_argument("--install", action="store_true", help="install what is missing (apt-get, as root)")
    parser.add_argument("command", nargs="*", help="runs while the servers do")
    given = parser.parse_args()
    missing = [kind.package for kind in KINDS if kind.missing()]
    if missing and given.install:
        _install(missing)
        # In a new process: its search path has the folders that came.
        os.execv(sys.executable, [sys.executable, "-m", "services", "--", *given.command])
    if missing:
        print(f"services: not installed: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _leave)
    with contextlib.ExitStack() as running:
        told = {}
        for kind in KINDS:
            server: Server = running.enter_context(kind())
            told[kind.variable] = server.url
        return _with(told, given.command)


def _with(told: dict[str, str], command: list[str]) -> int:
    if command:
        environ = {**os.environ, **told}
        environ.pop("PYTHONPATH", None)  # it was for us
        with subprocess.Popen(command, env=environ) as process:
            try:
                return process.wait()
            except (KeyboardInterrupt, SystemExit):
                process.terminate()
                raise
    for name, url in told.items():
        print(f"export {name}={shlex.quote(url)}")
    print("# running until Ctrl-C; paste the lines above where you run the tests", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    return 0


def _install(packages: list[str]) -> None:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    patient = ("-qq", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=300")
    with _nothing_started():
        for what in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", *patient, *what],
                env=quiet,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
            if done.returncode:
                print(done.stdout.decode(errors="replace"), file=sys.stderr)
                raise SystemExit(f"services: apt-get {what[0]} failed")


@contextlib.contextmanager
def _nothing_started() -> Iterator[None]:
    """Packages start their servers on the usual ports, unless this file says no."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
