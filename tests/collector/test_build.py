"""The collector is built once, for all who want it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from collector import build

GO = """#!/bin/sh
echo "$@" >> "$CALLS"
sleep 1
mkdir build && echo program > build/otelcol-spantap
"""


def run(folder: Path, path: str) -> subprocess.Popen[str]:
    environ = {
        **os.environ,
        "XDG_CACHE_HOME": str(folder),
        "PATH": path,
        "CALLS": str(folder / "calls"),
        "PYTHONPATH": str(build.ROOT / "tests"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "collector.build"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_built_once(tmp_path: Path) -> None:
    """Processes that want it at once, and those that come later, get the same program, built by the first."""
    (tmp_path / "go").write_text(GO)
    (tmp_path / "go").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    at_once = [run(tmp_path, path) for _ in range(3)]
    said = {each.communicate(timeout=60)[0].strip() for each in at_once}
    said.add(run(tmp_path, path).communicate(timeout=60)[0].strip())

    (program,) = said
    assert Path(program).read_text() == "program\n"
    assert Path(program).is_relative_to(tmp_path)
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call == f"run go.opentelemetry.io/collector/cmd/builder@v0.159.0 --config {build.MANIFEST}"


def test_where_it_is_goes_by_the_manifest(tmp_path: Path) -> None:
    """Another manifest is another program."""
    before = build.place()
    manifest = tmp_path / "builder.yaml"
    manifest.write_text(build.MANIFEST.read_text() + "\n")

    assert build.place(manifest) != before == build.place()
