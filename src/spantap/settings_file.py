"""The settings file: ``spantap.toml``, or ``[tool.spantap]`` in ``pyproject.toml``.

Looked for in the working directory only, never further up. ``spantap.toml`` hides the section
in ``pyproject.toml``, as ``ruff.toml`` and ``pytest.ini`` do: the two are not mixed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from spantap.model import Problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME: Final = "spantap.toml"
PROJECT: Final = "pyproject.toml"
SECTION: Final = "tool.spantap"


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What one file says.

    Attributes:
        path: where it is, absolute.
        values: the settings in it, by lower-case name, as TOML has them.
    """

    path: Path
    values: Mapping[str, Any]


class UnusableFileError(Exception):
    """A settings file that cannot be used.

    Attributes:
        path: the file.
        reason: what is wrong with it and what to do.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path
        self.reason = reason

    def as_problem(self, given_as: str) -> Problem:
        """The mistake, under the name the user knows the file by."""
        return Problem(given_as, repr(str(self.path)), self.reason)


def find(directory: Path) -> SettingsFile | None:
    """The file in a directory; None when there is none, or none that speaks of us.

    Raises:
        UnusableFileError: there is one, but it cannot be read.
    """
    for name in (NAME, PROJECT):
        content = _content(directory / name)
        # Most projects' pyproject.toml does not mention us, and is none of our business then.
        if content is None or (name == PROJECT and b"spantap" not in content):
            continue
        found = _parsed(directory / name, content)
        if found is not None:
            return found
    return None


def named(path: Path) -> SettingsFile:
    """The file somebody named.

    Raises:
        UnusableFileError: it cannot be read, or says nothing about us where it should.
    """
    content = _content(path)
    if content is None:
        raise UnusableFileError(path, "does not exist; create it or correct the path")
    found = _parsed(path, content)
    if found is None:
        raise UnusableFileError(path, f"has no section [{SECTION}]; add it or name another file")
    return found


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnusableFileError(path, f"cannot be read: {error.strerror}") from None


def _parsed(path: Path, content: bytes) -> SettingsFile | None:
    try:
        values: Any = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise UnusableFileError(path, "is not UTF-8 text; TOML has to be") from None
    except tomllib.TOMLDecodeError as error:
        raise UnusableFileError(path, f"is not valid TOML: {error}") from None
    if path.name == PROJECT:
        tools = values.get("tool", {})
        values = tools.get("spantap") if isinstance(tools, dict) else None
        if values is None:
            return None
        if not isinstance(values, dict):
            raise UnusableFileError(path, f"{SECTION} is no section; write [{SECTION}] and settings below it")
    return SettingsFile(path.absolute(), values)
