"""`spantap.current()`: what the app can say about the exchange it is handling.

Set while the app runs (around ``app()``, each ``next()`` and ``close()``), so it is right in
threads that inherit the context and in streaming generators, and empty in between.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final, Protocol

from opentelemetry.trace import SpanContext

from spantap.guard import logger, report
from spantap.model import Identity, Observation
from spantap.otel.followers import Followers

_late = 0


class Answering(Protocol):
    """The session of a request that is being answered, as those of requests sent meanwhile know it.

    Attributes:
        context: of its span.
        followers: what waits until hooks have said who was behind it; None when none will.
    """

    context: SpanContext
    followers: Followers | None

    def asked_by(self) -> Identity:
        """Who is behind the request, raw, as far as is known by now."""
        ...


def _text(value: object) -> str | None:
    """As text; None for what has none: the app would not hear of it outside of a captured request, either."""
    try:
        return None if value is None else str(value)
    except Exception as error:  # noqa: BLE001 - an object of the app's may do anything
        report("noting what the app says", error)
        return None


class Current:
    """The exchange being handled. Every method returns the object, so calls can be chained.

    Outside a captured request, and after its end, calls change nothing; late ones are counted.
    Not thread-safe beyond what single assignments are: the last one wins.
    """

    __slots__ = ("_seen", "kept", "owner", "skipped", "told")

    def __init__(self, seen: Observation | None) -> None:
        self._seen = seen
        self.owner: Answering | None = None
        self.skipped = False
        self.kept = False
        self.told: tuple[tuple[str | None, ...], dict[str, str]] | None = None  # see `otel.inherited`

    def user(self, id: str | int | None, *, email: str | None = None) -> Current:  # noqa: A002
        """Say who is behind the request (``user.id``, ``user.email``)."""
        if (seen := self._open()) is not None:
            seen.user = _text(id)
            if email is not None:
                seen.email = _text(email)
        return self

    def company(self, id: str | int | None) -> Current:  # noqa: A002
        """Say which company, tenant or account it belongs to (``spantap.company.id``)."""
        if (seen := self._open()) is not None:
            seen.company = _text(id)
        return self

    def session(self, id: str | int | None) -> Current:  # noqa: A002
        """Say which session it belongs to (``session.id``); never give a session *secret*."""
        if (seen := self._open()) is not None:
            seen.session = _text(id)
        return self

    def device(self, id: str | int | None) -> Current:  # noqa: A002
        """Say which device it came from (``spantap.device.id``)."""
        if (seen := self._open()) is not None:
            seen.device = _text(id)
        return self

    def metadata(self, **facts: Any) -> Current:
        """Add your own facts, JSON types only; redacted like a JSON body, 4 KiB at most in all."""
        if (seen := self._open()) is not None:
            seen.metadata.update(facts)
        return self

    def metric(self, name: str, value: float) -> Current:
        """Add a number of your own (``spantap.metric.<name>``); 16 at most."""
        if (seen := self._open()) is not None:
            try:
                seen.metrics[str(name)] = float(value)
            except Exception as error:  # noqa: BLE001 - as in `_text`
                report("noting a metric", error)
        return self

    def skip(self) -> Current:
        """Do not keep this exchange; its plain span still goes where spans go."""
        if self._open() is not None:
            self.skipped = True
        return self

    def keep(self) -> Current:
        """Keep this exchange whatever sampling says."""
        if self._open() is not None:
            self.kept = True
        return self

    @property
    def seen(self) -> Observation | None:
        """What is known of the exchange so far; None when there is none."""
        return self._seen

    def close(self) -> None:
        """The exchange is over; called by the session."""
        self._seen = self.owner = None

    def _open(self) -> Observation | None:
        if self._seen is None and self is not NOBODY:
            _count_late_call()
        return self._seen


NOBODY: Final = Current(None)
CURRENT: Final[ContextVar[Current]] = ContextVar("spantap_current", default=NOBODY)


def current() -> Current:
    """The exchange the calling code is handling; a harmless object when there is none."""
    return CURRENT.get()


def late_calls() -> int:
    """Calls on `Current` objects whose exchange was over; they changed nothing."""
    return _late


def _count_late_call() -> None:
    global _late  # one counter for the process
    _late += 1
    if _late == 1:
        logger.warning("spantap.current() was used after its exchange ended; such calls change nothing")
