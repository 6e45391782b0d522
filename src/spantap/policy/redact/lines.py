"""A JSON document on each line: NDJSON, JSON lines, JSON text sequences."""

from __future__ import annotations

import re
from typing import Final

from spantap.policy.redact.json import clean_json
from spantap.policy.redact.partial import CleanText, clean_partial
from spantap.policy.redact.ruled import Ruled
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import Tally

_BEFORE: Final = "\x1e\ufeff \t\r"  # JSON text sequences begin each with a record separator
_FIRST = re.compile(r"\s*[{\[][^\n]*[}\]]\s*\n")


def are_lines(text: str) -> bool:
    """Whether a text looks like one document a line: the first is closed where it ends."""
    return _FIRST.match(text) is not None


def clean_lines(
    text: str, rules: Rules, tally: Tally, inner: CleanText, *, cut: bool, ruled: Ruled | None = None
) -> str | None:
    """The lines with everything sensitive masked, or None when some are no JSON.

    Args:
        text: the lines.
        rules: what is sensitive.
        tally: counts what is masked.
        inner: cleans the text of a string that was cut.
        cut: whether the last line ends too early.
        ruled: the user's rules; each line is a document of its own.
    """
    lines = text.split("\n")
    done = []
    for number, line in enumerate(lines):
        document = line.strip(_BEFORE)
        if not document:
            done.append(line)
            continue
        if cut and number == len(lines) - 1:
            clean = clean_partial(line.lstrip(_BEFORE), rules, tally, inner, ruled=ruled)
        else:
            clean = clean_json(document, rules, tally, ruled=ruled)
        if clean is None:
            return None
        before = line[: len(line) - len(line.lstrip(_BEFORE))]
        done.append(before + clean + ("\r" if line.endswith("\r") and not cut else ""))
    return "\n".join(done)
