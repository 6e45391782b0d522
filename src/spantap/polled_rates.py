"""Rates that are fetched from a URL again and again, in the background."""

from __future__ import annotations

import random
import threading
from typing import Final

from spantap import fetching
from spantap.fetching import Answer, Background, Source
from spantap.guard import logger
from spantap.model import Observation
from spantap.policy.decide import Drop
from spantap.policy.rates import Known
from spantap.policy.sample import CaptureSampler, Judges, parse_always
from spantap.policy.sample_document import InvalidDocumentError, SampleDocument
from spantap.settings import Settings

_FIRST_WAIT: Final = 1.0  # seconds until the next try after a failure; doubled each time
_LARGEST: Final = 1024 * 1024


class PolledSampler:
    """Decides by the rates that were fetched last, until then by the settings. Thread-safe, fork-safe.

    Attributes:
        shown: the URL without secrets.
        taken: how many documents were taken.
        failing: why the last look failed; None when it did not.
    """

    def __init__(self, document: SampleDocument, source: Source, interval: float) -> None:
        """Args:
        document: what holds where a document says nothing.
        source: where documents are.
        interval: seconds between two looks.
        """
        self.shown = source.shown
        self.taken = 0
        self.failing: str | None = None
        self._document = document
        self._source = source
        self._interval = interval
        self._current: CaptureSampler = document.sampler()
        self._background = Background("spantap-rates", self._poll)

    def judge(self, seen: Observation, trace_id: int, *, kept: bool, known: Known) -> Drop | None:
        """As the rates in force decide; begins to fetch them, when nobody has."""
        if known is Known.PLAIN:
            self._background.begin()
        return self._current.judge(seen, trace_id, kept=kept, known=known)

    def stop(self) -> None:
        """Fetch no more; what was fetched stays in force."""
        self._background.stop()

    def look(self) -> str | None:
        """What is wrong with what is there now; None when nothing is. Blocks; nothing comes into force."""
        try:
            answer = self._source.ask()
            if answer is not None:
                self._taken(answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            return _why(error)
        return None

    def _taken(self, answer: Answer) -> CaptureSampler:
        if len(answer.content) > _LARGEST:
            raise InvalidDocumentError(f"it has more than {_LARGEST} bytes")
        return self._document.sampler(answer.content)

    def _poll(self, stop: threading.Event) -> None:
        etag, told, wait = None, False, _FIRST_WAIT
        spread = random.Random()  # noqa: S311 - no secret; the app's own numbers stay as they are
        if self._source.open and self._source.tells:
            logger.warning("spantap sends CAPTURE_RATES_HEADERS unencrypted, to %s; use https", self.shown)
        while not stop.is_set():
            try:
                answer = self._source.ask(etag)
                if answer is not None:
                    self._current = self._taken(answer)
                    self.taken += 1
                    etag = answer.etag
                    logger.debug("rates taken from %s", self.shown)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, the last good ones stay
                self.failing = _why(error)
                if not told:
                    told = True
                    logger.warning(
                        "spantap cannot take rates from %s: %s; those in force stay. It is tried again, this "
                        "is logged once",
                        self.shown,
                        self.failing,
                    )
                stop.wait(min(wait, self._interval))
                wait = min(2 * wait, self._interval)
            else:
                if told:
                    logger.warning("spantap takes rates from %s again", self.shown)
                self.failing, told, wait = None, False, _FIRST_WAIT
                stop.wait(self._interval * spread.uniform(0.9, 1.1))  # not all processes at once

    def __repr__(self) -> str:
        return f"PolledSampler({self.shown!r})"


def _why(error: Exception) -> str:
    return f"not usable: {error}" if isinstance(error, InvalidDocumentError) else fetching.reason(error)


def sampler_of(wanted: Settings) -> Judges | None:
    """What decides which exchanges are kept; None when all are."""
    url = wanted.capture_rates_url
    if url is None and wanted.capture_sample_rate == 1 and not wanted.capture_rates:
        return None
    always = parse_always(wanted.capture_always_on)
    document = SampleDocument(wanted.capture_sample_rate, wanted.capture_rates, always)
    if url is None:
        return document.sampler()
    headers = wanted.capture_rates_headers.value if wanted.capture_rates_headers is not None else ()
    return PolledSampler(document, Source(url, headers, _LARGEST), wanted.capture_rates_interval)
