"""Secrets out of headers, URLs, bodies and texts. Pure: no I/O, no telemetry, no frameworks."""

from spantap.policy.redact.engine import Redactor
from spantap.policy.redact.tally import MASK, URL_MASK, Tally

__all__ = ["MASK", "URL_MASK", "Redactor", "Tally"]
