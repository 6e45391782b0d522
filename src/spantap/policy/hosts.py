"""To whom requests are captured: by host name."""

from __future__ import annotations

from collections.abc import Iterable

from spantap.policy.patterns import Patterns


class Hosts:
    """Decides by the host of a request that is sent. Immutable, thread-safe.

    A pattern is a glob over the whole name (``api.shop.example``, ``*.internal``), or, with the prefix
    ``re:``, a regular expression searched in it. Names are compared in lower case, without a port or the dot
    of the root, and as they go over the wire: ``bücher.example`` is ``xn--bcher-kva.example``.
    """

    __slots__ = ("_excluded", "_included")

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        """Args:
            include: only these; all when there are none.
            exclude: never these; beats `include`.

        Raises:
            InvalidPatternError: a pattern cannot be compiled.
        """
        included = Patterns(map(_on_the_wire, include), any_case=True)
        self._included = included if included else None
        self._excluded = Patterns(map(_on_the_wire, exclude), any_case=True)

    def wants(self, host: str | None) -> bool:
        """Whether requests to a host are captured; to an unknown one only if any are."""
        name = _on_the_wire((host or "").lower())
        if self._excluded.match(name):
            return False
        return self._included is None or self._included.match(name)


def _on_the_wire(name: str) -> str:
    """A name, or a glob of one, in ASCII and without a dot at its end; expressions stay as they are."""
    if name.startswith("re:"):
        return name
    name = name.removesuffix(".")
    return name if name.isascii() else ".".join(map(_label_on_the_wire, name.split(".")))


def _label_on_the_wire(label: str) -> str:
    try:
        return label if label.isascii() else label.encode("idna").decode()
    except UnicodeError:
        return label
