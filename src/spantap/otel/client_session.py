"""One request that we send: what was seen of it, and its CLIENT span.

A door makes one per attempt: every retry and every redirect is a request of its own. `head` comes when
the headers of the response are there, which is when most instrumentations end their span; `finish` when
the app has read the body to its end, has closed it, or has dropped it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span, SpanContext, format_span_id

from spantap.guard import report
from spantap.model import Exchange, Observation
from spantap.otel.current import CURRENT
from spantap.otel.hooked import HookedSession
from spantap.otel.live import full_attributes, plain_attributes
from spantap.otel.passage import Passage
from spantap.otel.session import Session
from spantap.policy.decide import Drop
from spantap.policy.redact import Tally

if TYPE_CHECKING:
    from spantap.otel.client_tap import ClientTap

_WHO = ("user", "email", "company", "session", "device")


class Sending(Session):
    """What both kinds of sessions below share."""

    __slots__ = ()

    def __init__(
        self,
        tap: ClientTap,
        seen: Observation,
        span: Span,
        *,
        owned: bool,
        captured: bool,
        parent: SpanContext | None = None,
        context: Context | None = None,
    ) -> None:
        super().__init__(tap, seen, span, owned=owned, captured=captured, parent=parent, context=context)
        self._within = CURRENT.get().owner
        if self._within is not None:
            seen.answering_span_id = format_span_id(self._within.context.span_id)
        self._waits: Callable[[], None] | None = None

    # `current()` stays that of the request we are answering while we send another.

    def enter(self) -> Any:
        """Make the request's span current, for the client that sends it."""
        return Passage.enter(self)

    def leave(self, token: Any) -> None:
        """Undo `enter`."""
        Passage.leave(self, token)

    def head(
        self,
        status: object,
        headers: list[tuple[str, str]],
        *,
        ended: bool = False,
        read_inside: bool = False,
    ) -> None:
        """The response has begun.

        Args:
            status: its code.
            headers: as they came.
            ended: there is no body, so the exchange is over.
            read_inside: the body will be read before whoever began the span ends it.
        """
        self.answered(status)
        self.first_byte()
        self.seen.response_headers = headers
        if ended:
            self.response.whole = True
            self.finish()
            return
        if not (self.owned or read_inside):
            self._write_head()
        self._tap.processor.park(self)

    def finish(self, incomplete: str | None = None) -> None:
        """The exchange is over; see `Session.finish`. In a forked child it is the parent's."""
        if not self._done and self._is_the_parents():
            self._done = self._settled = True
        super().finish(incomplete)

    def _is_the_parents(self) -> bool:
        span, known = self.span, self._tap.processor.sessions
        remembered = isinstance(span, ReadableSpan) and span.is_recording()
        return remembered and known.get(self.context.span_id) is not self

    def dropped(self, incomplete: str) -> None:
        """The app has let go of the response without closing it, as the garbage collector has found out.

        Args:
            incomplete: see `finish`, which is called on another thread: this one may be anywhere.
        """
        self._tap.finisher.run(partial(self.finish, incomplete))

    def settle(self, reason: str = "timeout") -> None:
        """Waiting is over; see `Session.settle`."""
        if self._waits is not None:
            self._complete_once()
        elif self.owned:
            self.finish(reason)
        else:
            super().settle(reason)

    def _write_head(self) -> None:
        """Whoever began the span may end it now: write what is known, for those who export it."""
        span, seen = self.span, self.seen
        if not (self.captured and self._enriches and span.is_recording()):
            return
        try:
            seen.end = seen.first_byte or 0
            so_far = self._decided_so_far()
            if isinstance(so_far, Exchange):
                span.set_attributes(full_attributes(so_far, span, self._tap.live_policy))
            else:
                span.set_attributes(plain_attributes(so_far, seen))
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("writing on a span", error)
        finally:
            seen.end, seen.weight, seen.capture_reason = 0, 1.0, None

    def _decided_so_far(self) -> Exchange | Drop:
        return self._decided().exchange

    def _cleaned(self, tally: Tally) -> Exchange | Drop:
        if self._within is not None:
            theirs = self._within.asked_by()
            for part in _WHO:
                if getattr(self.seen, part) is None:
                    setattr(self.seen, part, getattr(theirs, part))
        return super()._cleaned(tally)

    def _completion(self) -> Callable[[], None]:
        """What is left to do; where hooks will say who is behind the request being answered, after them."""
        self._waits = super()._completion()
        within = self._within
        if within is None or within.followers is None or not within.followers.add(self._complete_once):
            return self._complete_once
        self._tap.processor.park(self)  # that may take long
        return _nothing

    def _complete_once(self) -> None:
        with self._lock:
            complete, self._waits = self._waits, None
        if complete is not None:
            complete()


def _nothing() -> None:
    """It is done later."""


class ClientSession(Sending):
    """See the module. Everything public here, and in `Session`, is for the doors."""

    __slots__ = ()


class HookedClientSession(Sending, HookedSession):
    """A session of an app with hooks for what it sends."""

    __slots__ = ()

    def _decided_so_far(self) -> Exchange | Drop:
        return Drop("not_asked")  # hooks come at the end: what they might take out is not written
