"""Bodies of every kind that clients over `http.client` take, all of the same bytes."""

from __future__ import annotations

import io
from array import array
from collections.abc import Callable, Iterator
from typing import Any, Final

PART: Final = b'{"password":"s3cret-of-ours","n":1}'
CLEAN_PART: Final = PART.decode().replace("s3cret-of-ours", "[REDACTED]")
JSON: Final = {"Content-Type": "application/json"}


class Sized(list[bytes]):
    """An iterable that has a length, which is not that of the body."""


class Once:
    """An iterator that can be gone through once, and says no length."""

    def __init__(self) -> None:
        self._left = [PART[:7], b"", PART[7:]]

    def __iter__(self) -> Once:
        return self

    def __next__(self) -> bytes:
        if not self._left:
            raise StopIteration
        return self._left.pop(0)


class Reading:
    """Something with `read` alone."""

    def __init__(self) -> None:
        self._file = io.BytesIO(PART)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def generated() -> Iterator[bytes]:
    yield PART[:7]
    yield b""
    yield PART[7:]


# Kind -> what makes it.
BODIES: Final[dict[str, Callable[[], Any]]] = {
    "bytes": lambda: PART,
    "bytearray": lambda: bytearray(PART),
    "memoryview": lambda: memoryview(PART),
    "array": lambda: array("B", PART),
    "file": lambda: io.BytesIO(PART),
    "text-file": lambda: io.StringIO(PART.decode()),
    "reading": Reading,
    "generator": generated,
    "iterator": Once,
    "list": lambda: Sized([PART[:9], PART[9:]]),
}
