"""The findings of `spantap doctor` as text."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from spantap.cli.doctor_findings import Findings, Process
from spantap.policy.sample import SAMPLED_OUT
from spantap.reporting import HARMLESS

_BOLD, _DIM, _GREEN, _RED = "1", "2", "32", "31"
_NAMES: Final = 20  # columns for names
_STATES: Final = {True: "running", False: "ended", None: "on another host"}


def lines(found: Findings, *, terminal: bool) -> Iterator[str]:
    """Everything, line by line.

    Args:
        found: what was found out.
        terminal: whether to use its width and colours; a pipe gets plain lines as long as they are.
    """
    page = _Page(terminal)
    yield page.styled(_BOLD, f"spantap {found.spantap}, Python {found.python}, in {found.directory}")
    for title, rows in (
        ("Settings", [(each.name, each.value, each.source) for each in found.settings]),
        ("Standard variables", [(each.name, each.value, "") for each in found.standard]),
        ("Under opentelemetry-instrument", _zero_code(found)),
        ("What is captured", _captured(found)),
        ("What is masked", [(name, text, "") for name, text in found.masked.items()]),
    ):
        if rows:
            yield from page.section(title, rows)
    yield from page.section("Destinations", [])
    for place in found.destinations:
        colour = {True: _GREEN, False: _RED, None: _DIM}[place.answers]
        yield from page.row(place.name, place.target, page.styled(colour, place.says))
    yield from page.section(f"Processes that wrote to {found.store}", [])
    for process in found.processes:
        yield from _process(page, process)
    if not found.processes:
        yield from page.row("none yet", "a process writes about itself with its first exchanges", "")
    yield ""
    if not found.problems:
        yield page.styled(_GREEN, "Nothing is wrong.")
    for problem in found.problems:
        yield page.styled(_RED, f"wrong: {problem.what}")
        yield from page.wrapped(f"-> {problem.remedy}", "  ")


class _Page:
    """Knows how wide lines may be and whether there are colours."""

    def __init__(self, terminal: bool) -> None:
        self._width = min(shutil.get_terminal_size().columns, 120) if terminal else 0
        self._colours = terminal and not os.environ.get("NO_COLOR")

    def styled(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours and text else text

    def section(self, title: str, rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
        yield ""
        yield self.styled(_BOLD, title)
        names = max([_NAMES, *(len(name) for name, _, _ in rows)]) if rows else _NAMES
        values = min(40, max((len(value) for _, value, source in rows if source), default=0))
        for name, value, source in rows:
            unset = source == "default"
            value = value.ljust(values) if source else value
            yield from self.row(name, value, self.styled(_DIM, source), names=names, dim=unset)

    def row(
        self, name: str, value: str, rest: str, *, names: int = _NAMES, dim: bool = False
    ) -> Iterator[str]:
        text = f"{value}  {rest}" if rest else value
        first = f"  {name:<{names}}  "
        if self._width and not rest:
            yield from self.wrapped(first + text, " " * min(len(first), 24))
        else:
            line = (first + text).rstrip()
            yield self.styled(_DIM, f"{first}{value}") + f"  {rest}" if dim and rest else line

    def wrapped(self, text: str, indent: str) -> list[str]:
        if not self._width:
            return [indent + text if not text.startswith(" ") else text]
        head = "" if text.startswith(" ") else indent
        return textwrap.wrap(
            text,
            self._width,
            initial_indent=head,
            subsequent_indent=indent + ("  " if head else ""),
            break_long_words=False,
            break_on_hyphens=False,
        )


def _zero_code(found: Findings) -> list[tuple[str, str, str]]:
    won = found.zero_code
    rows = [
        (kind, winner.name or "none", f"({winner.why})")
        for kind, winner in (("distro", won.distro), ("configurator", won.configurator))
    ]
    rows += [(name, becomes, "") for name, becomes in won.instrumentations.items()]
    return [*rows, ("hint", won.hint, "")] if won.hint else rows


def _captured(found: Findings) -> list[tuple[str, str, str]]:
    rows = [(name, text, "") for name, text in found.captured.items()]
    installed = ", ".join(f"{name} {version}" for name, version in found.installed.items())
    return [*rows, ("frameworks, servers", installed or "any ASGI or WSGI callable", "")]


def _process(page: _Page, process: Process) -> Iterator[str]:
    facts = process.facts
    state = _STATES[process.running]
    yield from page.row(
        f"{process.pid} {facts['command']}",
        f"{state}, last news {_ago(process.silent_for)} ago; {_summary(facts)}",
        "",
    )
    for name, each in facts["destinations"].items():
        waiting = "never sent" if process.running is False and each["queued"] else "queued"
        counts = f"{each['exported']} of {each['captured']} taken, {each['queued']} {waiting}"
        known = _counted({name: count for name, count in each["dropped"].items() if name in HARMLESS})
        counts += f", {each['spooled']} on disk" if each.get("spooled") else ""
        counts += f"; it had: {known}" if known else ""
        lighter = _counted(each.get("lightened", {}))
        counts += f"; without: {lighter}" if lighter else ""
        counts += f"; {each['expired']} expired" if each.get("expired") else ""
        left_out = each.get("left_out")
        counts += f"; left out by its policy: {left_out}" if left_out else ""
        dropped = _counted({name: count for name, count in each["dropped"].items() if name not in HARMLESS})
        lost = page.styled(_RED, f"; lost: {dropped}") if dropped else ""
        if each.get("failing"):
            lost += page.styled(_RED, f"; it takes nothing: {each['failing']}")
        if each.get("spool_failing"):
            lost += page.styled(_RED, f"; the spool takes nothing: {each['spool_failing']}")
        to = f"{facts['collector']}  " if name == "otlp" else ""
        yield from page.row(f"  {name}", to + counts + lost, "")
        left = each.get("adopted", {})
        if left.get("captured"):
            counts = f"{left['exported']} of {left['captured']} taken, {left['spooled']} on disk"
            dropped = _counted(left["dropped"])
            lost = page.styled(_RED, f"; lost: {dropped}") if dropped else ""
            yield from page.row("    of earlier processes", counts + lost, "")
    left_out = _counted(facts["not_kept"])
    if left_out:
        yield from page.row("  not kept", left_out, "")
    for name, each in facts.get("hooks", {}).items():
        took = f"{each['calls']} calls, {each['mean_ms']:.1f} ms on average, {each['max_ms']:.1f} ms at most"
        failed = page.styled(_RED, f"; failed: {each['failed']}") if each["failed"] else ""
        yield from page.row(f"  hook {name}", took + failed, "")
    if facts["late_calls"]:
        late = f"{facts['late_calls']} calls of spantap.current() came outside of a request, or after its end"
        yield from page.row("  too late", late, "")
    instrumented = f"{', '.join(facts['instrumented'])}; the tracer provider is {facts['provider']}"
    yield from page.row("  instrumented", instrumented, "")
    for setting in facts["settings"]:
        yield from page.row(f"  {setting['name']}", setting["value"], setting["source"])


def _summary(facts: Mapping[str, Any]) -> str:
    service = f", service {facts['service']}" if facts["service"] else ""
    left_out = facts["not_kept"].get(SAMPLED_OUT.reason)
    sampled = f", {left_out} left out by sampling" if left_out else ""
    return f"captured {facts['captured']}{sampled}{service}"


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)


def _ago(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
