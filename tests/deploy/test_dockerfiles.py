"""The Dockerfiles in `deploy/`: what they start works, and nothing is in them that should not be there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.dockerfile import Instruction, instructions, variables
from deployment.serving import ask, free_port, listens, wait_for
from receivers.otlp_http import OTLPReceiver, attributes

ROOT = Path(__file__).parent.parent.parent
APP = ROOT / "deploy" / "Dockerfile"
FILES = (APP, ROOT / "deploy" / "Dockerfile.autoinstrumentation")


def only(file: Path, keyword: str) -> Instruction:
    """The last instruction with this keyword: the one in force."""
    return [each for each in instructions(file) if each.keyword == keyword][-1]


def test_the_app_serves_and_is_captured(tmp_path: Path) -> None:
    """The image's command serves the app it copies, its health check is content, an exchange is delivered."""
    source, target = only(APP, "COPY").words
    shutil.copy(ROOT / source, tmp_path / target)
    spool, port = tmp_path / "spool", free_port()
    spool.mkdir(mode=0o700)
    with OTLPReceiver() as receiver:
        environ = {
            **os.environ,
            **variables(APP),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_PYTHON_SPANTAP_SPOOL_DIR": str(spool),
        }
        command = [each.replace("8000", str(port)) for each in only(APP, "CMD").words]
        with (tmp_path / "log").open("wb") as log:
            server = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=log, stderr=log)
        try:
            wait_for(lambda: listens(port), lambda: (tmp_path / "log").read_text())
            check = [each.replace("8000", str(port)) for each in only(APP, "HEALTHCHECK").words]
            assert subprocess.run(check, env=environ, timeout=60, check=False).returncode == 0
            answer = ask(port, "POST", "/login", '{"name": "ada", "password": "correct-horse"}')
            assert (answer.status, b"hello" in answer.body) == (200, True)
            server.send_signal(signal.SIGTERM)
            server.wait(60)
        finally:
            server.kill()
            server.wait(60)
        spans = receiver.spans()

    found = [attributes(span) for span in spans]
    captured = {each["url.path"]: each.get("user.id") for each in found if "spantap.record.version" in each}
    assert captured["/login"] == "ada"
    assert "/healthz" not in captured
    assert b"correct-horse" not in b"".join(receiver.bodies)
    assert not (tmp_path / "spantap.db").exists()


def test_a_health_check_that_fails_is_told(tmp_path: Path) -> None:
    """The image's health check is not content when nobody serves."""
    check = [each.replace("8000", str(free_port())) for each in only(APP, "HEALTHCHECK").words]

    done = subprocess.run([sys.executable, *check[1:]], capture_output=True, timeout=60, check=False)

    assert done.returncode != 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_in_them(file: Path) -> None:
    """Bases have a version, what is copied exists, the end runs as nobody special, nothing secret is set."""
    found = instructions(file)
    arguments = {
        name: value for name, _, value in (e.rest.partition("=") for e in found if e.keyword == "ARG")
    }
    bases = [each.words[0] for each in found if each.keyword == "FROM"]
    named = [re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], base) for base in bases]

    assert all(re.search(r":\d+\.\d+", base) for base in named), named
    for each in found:
        if each.keyword == "COPY" and not each.rest.startswith("--from="):
            assert all((ROOT / source).exists() for source in each.words[:-1]), each.rest
    assert only(file, "USER").rest.isdecimal()
    assert only(file, "USER").rest != "0"
    assert not {each.keyword for each in found} & {"ADD", "MAINTAINER"}
    set_here = " ".join(each.rest for each in found if each.keyword in ("ENV", "ARG"))
    assert not re.search(r"(?i)password|token|secret|api_?key|authorization|headers", set_here)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_hadolint(file: Path) -> None:
    """hadolint finds nothing."""
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, file], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout
