"""One try to deliver a batch, what came of it, and how long to wait for the next."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from opentelemetry.sdk.trace import ReadableSpan

from spantap.export.outcome import RefusedError, TooLargeError, TryLaterError
from spantap.guard import logger, report
from spantap.otel.shed import STAGES, without

# What encoders raise at a value they have no form for.
_UNWRITABLE: Final = (TypeError, ValueError, OverflowError)
_SHORTEST: Final = 0.5  # seconds between the first tries
_LONGEST: Final = 10.0  # and between the later ones
_MOST_ASKED: Final = 300.0  # whatever a destination asks for
_STRANGE: Final = 5  # tries after an error nobody foresaw
_QUIET: Final = 60.0  # seconds between two warnings
_NOTHING: Final[Mapping[str, int]] = {}
_HOPELESS: Final = 16  # records refused one by one, until a refused batch goes as a whole


class Delivery(Protocol):
    """What the worker drives: `otel.exporter.SinkExporter` or an OTLP exporter."""

    def deliver(self, spans: Sequence[ReadableSpan], /) -> Mapping[str, int]:
        """Send one batch, in one try.

        Returns:
            Reason -> how many of the batch were not kept; empty when all were.

        Raises:
            NotTakenError: which one says what to do (`spantap.export.outcome`).
            TypeError, ValueError, OverflowError: a value has no form here.
            Exception: it was not taken; an OSError is tried again for as long as it takes, what
                nobody foresaw a few times.
        """

    def close(self) -> None:
        """Release connections and files; a later `deliver` opens them again."""

    def interrupt(self) -> None:
        """Time is over: let a `deliver` under way return soon. Called from another thread."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try.

    Attributes:
        lost: reason -> how many of the batch are lost.
        again: the batch is to be tried again, in portions of these sizes; empty when it is done with.
        wait: seconds until then.
        lightened: what was given up because the destination takes no more -> spans.
    """

    lost: Mapping[str, int] = field(default_factory=dict)
    again: tuple[int, ...] = ()
    wait: float = 0.0
    lightened: Mapping[str, int] = field(default_factory=dict)


class Tries:
    """What is remembered from try to try for one destination. Belongs to its worker.

    Attributes:
        failing: what it said when it last took nothing; None when it took the last batch.
        failures: tries in a row that it took nothing at.
        asked_until: until when, on the monotonic clock, it asked to be left alone.
    """

    def __init__(self, name: str) -> None:
        """Args:
        name: the destination's.
        """
        self._name = name
        self.failing: str | None = None
        self.failures = 0
        self.asked_until = 0.0
        self._warned = -_QUIET
        self._refused = 0

    def send(self, opened: Callable[[], Delivery], spans: Sequence[ReadableSpan], *, hurry: bool) -> Outcome:
        """Try once.

        Args:
            opened: where to; opens it if need be.
            spans: the batch.
            hurry: somebody waits for the end of it.
        """
        try:
            lost = opened().deliver(spans)
        except TryLaterError as answer:
            return self._later(spans, str(answer), answer.wait, hurry)
        except TooLargeError as answer:
            if len(spans) > 1:
                return self._halved(spans)
            return self._lighter(opened(), spans[0], str(answer), hurry)
        except RefusedError as answer:
            return self._refusal(spans, str(answer), divisible=answer.divisible)
        except OSError as error:
            return self._later(spans, error.strerror or type(error).__name__, None, hurry)
        except _UNWRITABLE as error:
            # One span that cannot be written must not take the others along.
            if len(spans) > 1:
                return self._halved(spans)
            report(f"writing a span for {self._name}", error)
            return Outcome({"unwritable": 1})
        except Exception as error:  # noqa: BLE001 - whatever a destination does, the worker lives
            return self._strange(spans, error, hurry)
        return self._taken(_believable(lost, len(spans)))

    def _strange(self, spans: Sequence[ReadableSpan], error: Exception, hurry: bool) -> Outcome:
        report(f"delivering to {self._name}", error)
        if self.failures + 1 < _STRANGE:
            return self._later(spans, type(error).__name__, None, hurry)
        self.failures, self.failing = 0, type(error).__name__
        return Outcome({"export_failed": len(spans)})

    def _taken(self, lost: Mapping[str, int], lightened: Mapping[str, int] = _NOTHING) -> Outcome:
        if self.failing is not None:
            logger.info("%s takes spans again", self._name)
        self.failures, self._refused, self.failing = 0, 0, None
        return Outcome(lost, lightened=lightened)

    def _later(self, spans: Sequence[ReadableSpan], says: str, asked: float | None, hurry: bool) -> Outcome:
        """Exponential, with jitter: many processes find a destination dead at the same moment."""
        now = time.monotonic()
        if self.failing is None and now >= self._warned + _QUIET:
            self._warned = now
            logger.warning("%s takes nothing (%s): what is captured waits", self._name, says)
        self.failing = says
        longest = _SHORTEST if hurry else _LONGEST
        wait = min(longest, _SHORTEST * 2.0 ** min(self.failures, 16)) * random.uniform(0.5, 1)  # noqa: S311
        self.failures += 1
        if asked is not None:
            wait = max(wait, min(asked, _MOST_ASKED))
            self.asked_until = now + wait
        return Outcome(again=(len(spans),), wait=wait)

    def _halved(self, spans: Sequence[ReadableSpan]) -> Outcome:
        half = len(spans) // 2
        return Outcome(again=(half, len(spans) - half))

    def _refusal(self, spans: Sequence[ReadableSpan], says: str, *, divisible: bool) -> Outcome:
        self.failing, self.failures = says, 0
        # Where each of many is refused it is not one of them: no more of this, until something is taken.
        if divisible and len(spans) > 1 and self._refused < _HOPELESS:
            return self._halved(spans)
        self._refused += len(spans)
        return Outcome({"refused": len(spans)})

    def _lighter(self, delivery: Delivery, span: ReadableSpan, says: str, hurry: bool) -> Outcome:
        """A single span is too large: without its bodies, without its headers, or not at all."""
        gone = []
        whole = span
        for stage, name in enumerate(STAGES):
            lighter = without(span, stage)
            if lighter is None:
                continue
            span = lighter
            gone.append(name)
            try:
                lost = delivery.deliver([span])
            except TooLargeError:
                continue
            except TryLaterError as answer:
                return self._later([whole], str(answer), answer.wait, hurry)
            except RefusedError as answer:
                return self._refusal([whole], str(answer), divisible=False)
            except OSError as answer:
                return self._later([whole], answer.strerror or type(answer).__name__, None, hurry)
            except _UNWRITABLE as error:
                report(f"writing a span for {self._name}", error)
                return Outcome({"unwritable": 1})
            except Exception as error:  # noqa: BLE001 - whatever a destination does, the worker lives
                return self._strange([whole], error, hurry)
            return self._taken(_believable(lost, 1), dict.fromkeys(gone, 1))
        self.failing = says
        return Outcome({"too_large": 1})


def _believable(lost: object, sent: int) -> Mapping[str, int]:
    """What a destination says it did not keep, as far as it can be so: anybody may write one."""
    if not isinstance(lost, Mapping):
        return _NOTHING
    counts = {}
    for reason, count in lost.items():
        if isinstance(reason, str) and type(count) is int and count > 0 and sent:
            counts[reason] = min(count, sent)
            sent -= counts[reason]
    return counts
