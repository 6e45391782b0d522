"""The attributes of a live span of ours, made when somebody looks at them: mostly nobody does.

With a provider of ours, all that is exported of a captured request comes from its exchange. What
its live span says is then for the app alone, should it ask; to make it takes a tenth of what a
captured request costs.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Mapping
from functools import partial
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span
from opentelemetry.util.types import Attributes

from spantap.model import Exchange, Observation
from spantap.otel.live import metadata_of
from spantap.otel.start import StartAttributes, user_agent_attributes

_MADE: Final = "made"


class LateAttributes(BoundedAttributes):
    """Attributes of one live span. Whoever reads or sets one finds those that should be there."""

    def __init__(self, start: StartAttributes, maxlen: int | None) -> None:
        """Args:
        start: what the span starts with.
        maxlen: attributes the span may have.
        """
        super().__init__(maxlen, immutable=False)
        self._make: Callable[[], Mapping[str, Any] | ItemsView[str, Any]] = start.items
        self._rest: Mapping[str, Any] | None = None

    @property
    def _dict(self) -> dict[str, Any]:  # where the base class keeps them
        made: dict[str, Any] | None = self.__dict__.get(_MADE)
        if made is None:
            made = self.__dict__.setdefault(_MADE, dict(self._make()))  # whoever is first, without a lock
            self._make = dict
        return made

    @_dict.setter
    def _dict(self, made: dict[str, Any]) -> None:
        """The base class begins with an empty one."""

    @property
    def rest(self) -> Mapping[str, Any] | None:
        """What the span says beside its exchange, from `settle` on, until somebody looks."""
        return None if _MADE in self.__dict__ else self._rest

    @property
    def unseen(self) -> bool:
        """Whether nobody has looked, or written anything."""
        return _MADE not in self.__dict__

    def settle(self, exchange: Exchange, seen: Observation) -> bool:
        """The exchange is over: from now on it says what the span says; nothing raw is held any more.

        Returns:
            Whether it is so: somebody may have looked already, or the exchange may say less.
        """
        agent = seen.user_agent
        if _MADE in self.__dict__ or (
            agent is not None and exchange.request.headers.get("user-agent") != (agent,)
        ):
            return False
        rest = user_agent_attributes(agent)
        self._make = partial(metadata_of, exchange, rest)
        self._rest = rest
        return True


def late_of(span: Span) -> LateAttributes | None:
    """What makes the attributes of a span, if they are made when somebody looks."""
    held = getattr(span, "_attributes", None)
    return held if isinstance(held, LateAttributes) else None


def late_attributes(span: ReadableSpan) -> Attributes:
    """What a span whose late attributes nobody has looked at says beside its exchange; None for others."""
    held = getattr(span, "_attributes", None)
    return held.rest if isinstance(held, LateAttributes) else None
