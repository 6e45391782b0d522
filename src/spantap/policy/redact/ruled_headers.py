"""The user's rules for headers and cookies, applied before headers are cleaned by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from spantap.policy.redact.headers import NEXT_COOKIE, clean_attributes, clean_cookie
from spantap.policy.redact.ruled import Ruled
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, Tally

Lines = list[tuple[str, str]]


def ruled_headers(
    pairs: Iterable[tuple[str, str]],
    ruled: Ruled,
    rules: Rules,
    tally: Tally,
    clean: Callable[[Lines], Lines],
) -> Lines:
    """Every field line, its name lower-case, its value clean; those that are dropped are left out.

    Args:
        pairs: the field lines.
        ruled: the user's rules.
        rules: what is sensitive beside them.
        tally: counts what is masked.
        clean: cleans the lines that no rule is for, one for one.
    """
    lines: Lines = []
    open_lines: list[int] = []  # those of them that no rule is for
    for name, value in pairs:
        name = name.strip().lower()
        rule = ruled.header(name)
        if rule is None:
            if name in ("cookie", "set-cookie") and ruled.cookies:
                cookies = _cookies(name, value, ruled, rules, tally)
                if cookies is not None:
                    lines.append((name, cookies))
                continue
            open_lines.append(len(lines))
        elif rule.action == "keep":
            value = rules.value(value, tally, 0, MASK)
        else:
            treated = ruled.text(rule, value, tally)
            if treated is None:
                continue
            value = treated
        lines.append((name, value))
    for at, line in zip(open_lines, clean([lines[at] for at in open_lines]), strict=True):
        lines[at] = line
    return lines


def _cookies(name: str, value: str, ruled: Ruled, rules: Rules, tally: Tally) -> str | None:
    """A line of cookies; None when none of them is left."""
    mark, parts = (";", value.split(";")) if name == "cookie" else (", ", NEXT_COOKIE.split(value))
    kept = []
    for part in parts:
        pair, semicolon, attributes = part.partition(";")
        clean = _cookie(pair, ruled, rules, tally)
        if clean is not None:
            kept.append(clean + semicolon + clean_attributes(attributes, rules, tally))
    return mark.join(kept).strip() if kept else None


def _cookie(pair: str, ruled: Ruled, rules: Rules, tally: Tally) -> str | None:
    name, equals, value = pair.partition("=")
    rule = ruled.cookies.rule(name.strip())
    if rule is not None and rule.action == "keep":
        # WSGI servers join two Cookie lines with a comma: what follows it is another cookie.
        value, comma, other = value.partition(",")
        if comma:
            tally.add("cookie", other.strip())
        return f"{name}{equals}{rules.value(value, tally, 0, MASK)}{comma}{MASK if comma else ''}"
    if rule is not None and equals:
        treated = ruled.text(rule, value.strip(), tally)
        return None if treated is None else f"{name}={treated}"
    return clean_cookie(pair, tally)
