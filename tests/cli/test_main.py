"""The `spantap` command itself: help, version, and what it says when an extra is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spantap.cli.main import main
from spantap.version import __version__

EXTRA = ("fastapi", "uvicorn", "httpx", "rich", "python_multipart", "multipart")


def without(*modules: str, argv: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a Python that cannot import the modules."""
    hide = f"import sys; sys.modules.update(dict.fromkeys({modules!r}))"
    return subprocess.run(
        [sys.executable, "-c", f"{hide}; from spantap.cli.main import main; sys.exit(main({argv!r}))"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_bare_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who types `spantap` sees what there is."""
    assert main([]) == 0
    assert "demo" in capsys.readouterr().out


def test_an_error_cannot_write_to_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong name is repeated with its control characters spelled out, a line for each mistake."""
    (tmp_path / "spantap.toml").write_text('"\\u001b[2J" = 1\nqueue_max_items = 0\n')
    monkeypatch.chdir(tmp_path)

    assert main(["doctor"]) == 2

    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert len(told.splitlines()) == 3


def test_help_and_version_need_no_extra(tmp_path: Path) -> None:
    """A core install is enough for both."""
    helped = without(*EXTRA, argv=[], folder=tmp_path)
    version = without(*EXTRA, argv=["--version"], folder=tmp_path)

    assert (helped.returncode, helped.stderr) == (0, "")
    assert (version.returncode, version.stdout) == (0, f"spantap {__version__}\n")


def test_a_missing_extra_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    """It names what is missing and what to type, and touches nothing."""
    done = without("httpx", "rich", argv=["demo"], folder=tmp_path)

    assert done.returncode == 2
    assert done.stderr == "spantap demo needs httpx, rich: pip install 'spantap[demo]'\n"
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and the words that would have worked."""
    with pytest.raises(SystemExit) as ended:
        main(["dmeo"])

    assert ended.value.code == 2
    assert "demo" in capsys.readouterr().err
