"""`python -m fuzz`: coverage-guided fuzzing of the redactor with Atheris, one process for each target.

What was found worth keeping stays under ``build/fuzz``, and the next run goes on from there. An input that
fails is written there too; ``python -m fuzz TARGET --replay FILE`` runs it once more.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

KEPT = Path("build/fuzz")
PLANTED = "planted_"  # before the names of Hypothesis' properties
PROPERTIES = ("policy.redact.test_redact_planted", "cli.test_redact_any")


def main() -> int:
    """Run the targets that are named, or all.

    Returns:
        0 when nothing was found, else 1.
    """
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", help="which (default: all of them)")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: %(default)s)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input, without the fuzzer")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.replay:
        _targets()[arguments.target[0]](arguments.replay.read_bytes())
        return 0
    if arguments.child:
        _fuzz(arguments.target[0], arguments.seconds)
    names = arguments.target or list(_targets())
    failed = [name for name in names if not _survives(name, arguments.seconds)]
    print(f"failed: {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


def _targets() -> dict[str, Callable[[bytes], object]]:
    properties = {
        name.replace("test_", PLANTED): each.hypothesis.fuzz_one_input
        for module in PROPERTIES
        for name, each in vars(importlib.import_module(module)).items()
        if hasattr(each, "hypothesis")
    }
    return {**importlib.import_module("fuzz.raw").TARGETS, **properties}


def _survives(name: str, seconds: int) -> bool:
    print(f"--- {name}, {seconds} seconds", flush=True)
    child = [sys.executable, "-m", "fuzz", name, "--child", "--seconds", str(seconds)]
    return subprocess.run(child, check=False).returncode == 0


def _fuzz(name: str, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["spantap.policy", "spantap.capture"]):
        import spantap.capture.multipart
        import spantap.policy.pipeline  # noqa: F401 - imported here to be instrumented
    corpus = KEPT / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(importlib.import_module("fuzz.raw").SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-timeout=120",
        f"-artifact_prefix={KEPT}/{name}-",
    ]
    atheris.Setup(
        [sys.argv[0], str(corpus), *options, "-print_final_stats=1", "-verbosity=1"], _targets()[name]
    )
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
