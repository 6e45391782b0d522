"""The way out of every step between collected bytes and a clean body."""

from __future__ import annotations


class Withheld(Exception):  # noqa: N818 - no error: the steps end here
    """The body is not shown; the argument says why."""
