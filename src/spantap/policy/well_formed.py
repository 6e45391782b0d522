"""Strings that every destination can hold."""

from __future__ import annotations


def well_formed(text: str) -> str:
    """Text with a ``?`` for each lone surrogate, which neither UTF-8 nor JSON nor OTLP can hold."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
