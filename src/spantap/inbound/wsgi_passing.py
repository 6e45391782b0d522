"""A WSGI request of which nothing is kept: only its context is current while the app works on it.

As PEP 3333 has it, and as the door does it for the others: `len()`, ``close()`` and the server's
file wrapper stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spantap.otel.passage import Passage


def pass_through(
    passage: Passage, app: Callable[..., Iterable[bytes]], environ: dict[str, Any], start_response: Any
) -> Iterable[bytes]:
    """Serve one request of which nothing is kept.

    Args:
        passage: what is current meanwhile.
        app: a WSGI callable.
        environ, start_response: what it is called with.
    """
    tokens = passage.enter()
    try:
        result = app(environ, start_response)
    finally:
        passage.leave(tokens)
    kind = type(result)
    if kind is list or kind is tuple:
        return result  # nothing of the app's runs any more
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type) and isinstance(result, wrapper):
        return result  # the server recognises it by its type
    return (_SizedBody if hasattr(result, "__len__") else _Body)(result, passage)


class _Body:
    """The response iterable as the server sees it."""

    __slots__ = ("_iterator", "_passage", "_result")

    def __init__(self, result: Iterable[bytes], passage: Passage) -> None:
        self._result = result
        self._passage = passage
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        passage = self._passage
        tokens = passage.enter()
        try:
            if self._iterator is None:
                self._iterator = iter(self._result)
            return next(self._iterator)
        finally:
            passage.leave(tokens)

    def close(self) -> None:
        """The server is done: pass it on."""
        if self._iterator is not None:
            self._iterator = iter(())  # as the server has dropped it: a generator in it ends before `close`
        close = getattr(self._result, "close", None)
        if close is None:
            return
        tokens = self._passage.enter()
        try:
            close()
        finally:
            self._passage.leave(tokens)


class _SizedBody(_Body):
    """A response whose length the server may ask: a list of one chunk gets a Content-Length."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._result)  # type: ignore[arg-type]
