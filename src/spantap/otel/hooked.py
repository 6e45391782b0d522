"""A session of an app with hooks: they are asked when it is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from spantap.guard import report
from spantap.model import Exchange
from spantap.otel.hooks import Asking, running_loop
from spantap.otel.live import plain_attributes
from spantap.otel.session import Session
from spantap.policy.decide import Drop, Outcome
from spantap.policy.redact import Tally
from spantap.policy.view import RawExchange


class HookedSession(Session):
    """See the module.

    Attributes:
        native: set by the door: scope or environ.
        framework_request: set by the door, when the response begins: what the framework made of it.
    """

    __slots__ = ("framework_request", "native")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.native: Mapping[str, Any] | None = None
        self.framework_request: Any = None

    def _completion(self) -> Callable[[], None]:
        return partial(self._tap.hooks.run, self._completing(), running_loop())

    def _completing(self) -> Asking[None]:
        outcome = yield from self._asked()
        try:
            self._write_live(outcome)  # on the span of others too: if it is still there, it is late
            self._complete_with(outcome)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("finishing an exchange", error)

    def _write_early(self) -> None:
        """Hooks are not asked before the last byte: what they might take out is not written."""
        if self.captured and not self.owned and self._enriches and self.span.is_recording():
            self._completed()
            self.span.set_attributes(plain_attributes(Drop("not_asked"), self.seen))

    def _decided(self) -> Outcome:
        return self._tap.hooks.run_now(self._asked())

    def _asked(self) -> Asking[Outcome]:
        tally = Tally()
        seen, hooks = self.seen, self._tap.hooks
        outcome: Exchange | Drop
        try:
            drop = self._dropped()
            if drop is None:
                drop = yield from hooks.ask(seen, RawExchange(seen, self.native, self.framework_request))
            outcome = drop or self._cleaned(tally)
            if isinstance(outcome, Exchange):
                outcome = yield from hooks.mask(outcome, self._tap.pipeline.masked)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("making an exchange", error)
            outcome = Drop("failed")
        return Outcome(outcome, tally)

    def _emit(self, span: ReadableSpan | Callable[[], ReadableSpan], outcome: Outcome) -> None:
        super()._emit(span, outcome)
        self.native = self.framework_request = None  # they know us, as the door does
