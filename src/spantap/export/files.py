"""What file destinations share: they are made for their owner's eyes only."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def why_not_writable(path: Path) -> str | None:
    """Why a file cannot be written there, in the user's words; None when it can.

    Looks only, creates nothing.
    """
    if path.is_dir():
        return "is a directory; give the path of a file"
    if path.exists():
        return None if os.access(path, os.W_OK) else "is not writable by this user"
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"the directory {folder} does not exist; create it first"
    return (
        None
        if os.access(folder, os.W_OK | os.X_OK)
        else f"the directory {folder} is not writable by this user"
    )


def why_no_directory(path: Path) -> str | None:
    """Why files cannot be made in a directory there, in the user's words; None when they can.

    Looks only, creates nothing: its parent may be all there is.
    """
    if path.exists() and not path.is_dir():
        return "is not a directory; give the path of one"
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        return f"the directory {folder} does not exist; create it first"
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    return "is not writable by this user" if folder == path else f"{folder} is not writable by this user"


def create_private(path: Path) -> None:
    """Create the file with mode 0600 unless it exists; its mode is the owner's business then."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
