"""What `spantap redact` is given, cleaned as an app's traffic is: a body, a raw HTTP message, or records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast
from urllib.parse import unquote

import orjson

from spantap.cli import redact_places
from spantap.cli.redact_places import Place, Probe
from spantap.cli.tail_output import json_line
from spantap.codec.jsonl import from_line
from spantap.model import Body, Collected, Exchange, Headers
from spantap.policy.again import without_echoes
from spantap.policy.body import BodyLimits, clean_body
from spantap.policy.redact import Redactor, Tally
from spantap.policy.withheld import Withheld

LONGEST: Final = 16 * 1024 * 1024
_LIMITS: Final = BodyLimits(LONGEST, LONGEST)
_FORM: Final = "application/x-www-form-urlencoded"
_REQUEST_LINE: Final = re.compile(rb"[!-~]+ [^\s]+ HTTP/\d(?:\.\d)?\r?\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/\d(?:\.\d)? \d{3}(?: [^\r\n]*)?\r?\n")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n|\Z")
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_PAIRS: Final = re.compile(rb"[^\s=&<{\[]+=[^\s&]*(?:&[^\s&]*)*\s*")
_BY_NAME: Final = {
    "json": "application/json", "xml": "application/xml", "svg": "image/svg+xml", "html": "text/html",
    "htm": "text/html", "csv": "text/csv", "yaml": "application/yaml", "yml": "application/yaml",
    "ndjson": "application/x-ndjson", "jsonl": "application/x-ndjson", "txt": "text/plain",
    "log": "text/plain", "js": "application/javascript", "toml": "application/toml", "sql": "application/sql",
}  # fmt: skip


@dataclass(slots=True)
class Cleaned:
    """What was made of the input.

    Attributes:
        content: the clean text; None when all there was is withheld.
        withheld: what is not shown -> why (`docs/bodies.md`).
        redactions: rule -> how often it hit.
        places: where.
    """

    content: str | None = None
    withheld: dict[str, str] = field(default_factory=dict)
    redactions: Mapping[str, int] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)


def clean(data: bytes, redactor: Redactor, content_type: str | None, name: str = "") -> Cleaned:
    """The input without secrets.

    Args:
        data: a body, a raw HTTP message that begins with a request or status line, or spantap's records
            as JSON lines.
        redactor: what is sensitive.
        content_type: of a body; when None, told by the name, else by how it begins.
        name: of the file; may be empty.
    """
    cleaners = [_Cleaner(redactor)]
    content: str | bytes | None
    if content_type is None and (_REQUEST_LINE.match(data) or _STATUS_LINE.match(data)):
        content = cleaners[0].message(data)
    elif content_type is None and (records := _records(data)):
        cleaners = [_Cleaner(redactor) for _ in records]
        content = "".join(
            json_line(cleaner.exchange(each)) for cleaner, each in zip(cleaners, records, strict=True)
        )
    else:
        content = cleaners[0].body(data, content_type or guessed(data, name), None, "").content
    counts: Counter[str] = Counter()
    done = Cleaned(content if isinstance(content, str) else None)
    for each in cleaners:
        counts.update(each.tally.counts)
        done.withheld |= each.withheld
        done.places += each.places
    return replace(done, redactions=dict(counts), places=redact_places.merged(done.places))


def guessed(data: bytes, name: str) -> str:
    """The media type of a body nobody names: by the name of its file, else by how it begins."""
    known = _BY_NAME.get(name.rpartition(".")[2].lower()) if "." in name else None
    if known is not None:
        return known
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start in (b"{", b"["):
        lines = [line for line in data.splitlines()[:3] if line.strip()]
        one_each = len(lines) > 1 and all(_is_json(line) for line in lines[:2])
        return "application/x-ndjson" if one_each else "application/json"
    if start == b"<":
        return "application/xml"
    if start and _PAIRS.fullmatch(data[:LONGEST]):
        return _FORM
    return ""


class _Cleaner:
    """Cleans piece after piece, as the pipeline does: what is masked in one is known in the next."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.halves = {"": redactor.of_unknown()}  # whose message -> what cleans it
        self.halves |= {side: redactor.of_unknown(side) for side in ("request", "response")}
        self.tally = Tally()
        self.withheld: dict[str, str] = {}
        self.places: list[Place] = []

    def body(self, data: bytes, content_type: str, coding: str | None, whose: str) -> Body:
        """A body; `whose` is ``request`` or ``response``, or empty when there is nothing else."""
        collected = Collected(data, len(data))
        heard = _Heard(self.halves[whose])
        cleaned = clean_body(collected, content_type, coding, _LIMITS, cast("Redactor", heard), self.tally)
        if cleaned.withheld is not None:
            self.withheld[f"{whose} body".strip()] = cleaned.withheld
        elif isinstance(cleaned.content, str):
            prefix = f"{whose} body " if whose else ""
            found = _places_in_body(heard, cleaned.content)
            self.places += (replace(each, where=prefix + each.where) for each in found)
        return cleaned

    def _belongs_to(self, path: str, route: str | None) -> None:
        """Clean by the rules that hold there from now on."""
        self.halves["request"], self.halves["response"] = self.redactor.of(path, route)

    def message(self, data: bytes) -> str:
        """A raw message: its first line, its header fields, and its body."""
        end = _HEAD_END.search(data)
        head = data[: end.start()] if end else data
        body = data[end.end() :] if end else b""
        first, *lines = _FOLD.sub(" ", head.decode("latin-1")).replace("\r\n", "\n").split("\n")
        whose = "response" if first.startswith("HTTP/") else "request"
        first = self._status_line(first) if whose == "response" else self._request_line(first)
        pairs = [self._field(line) for line in lines if line.strip()]
        shown = self.headers(pairs, whose)
        fields = dict(shown)
        if "chunked" in fields.get("transfer-encoding", "").lower():
            body = _dechunked(body)
        content: object = ""
        if body:
            given = {name.strip().lower(): value.strip() for name, value in pairs}
            coding = given.get("content-encoding")
            content = self.body(body, given.get("content-type", ""), coding, whose).content
        # What the body has told leaves the lines before it.
        target, mark, query = first.partition("?")
        first = target + mark + self._again(query, f"{whose} query")
        lines = [f"{name}: {self._again(value, f'{whose} header {name}')}" for name, value in shown]
        return "\n".join([first, *lines, "", content if isinstance(content, str) else ""])

    def exchange(self, seen: Exchange) -> Exchange:
        """A record of an exchange, cleaned once more by the rules of today."""
        request, response = seen.request, seen.response
        self._belongs_to(request.path, seen.route)
        cleaned = replace(
            seen,
            request=replace(
                request,
                path=self._piece(self.redactor.path, request.path, "request path"),
                query=self.query(request.query),
                headers=self._grouped(request.headers, "request"),
                body=self._recorded(request.body, request.headers, "request"),
            ),
            response=replace(
                response,
                headers=self._grouped(response.headers, "response"),
                body=self._recorded(response.body, response.headers, "response"),
            ),
            error=seen.error
            and replace(
                seen.error,
                message=self.text(seen.error.message, "error") if seen.error.message else seen.error.message,
            ),
        )
        cleaned = without_echoes(cleaned, self.redactor, self.tally)
        return replace(cleaned, redactions=dict(Counter(seen.redactions) + Counter(self.tally.counts)))

    def headers(self, pairs: list[tuple[str, str]], whose: str) -> list[tuple[str, str]]:
        """Field lines."""
        redactor = self.halves[whose]
        clean = redactor.header_pairs(pairs, self.tally)
        for old in pairs:
            own = Tally()
            new = [
                (name, self.redactor.echoes(value, self.tally))
                for name, value in redactor.header_pairs([old], own)
            ]
            if not new or old[1] != new[0][1]:
                self._note(f"{whose} header {new[0][0] if new else old[0].lower()}", own)
        return [(name, self.redactor.echoes(value, self.tally)) for name, value in clean]

    def query(self, query: str) -> str:
        """The query of a request."""
        redactor = self.halves["request"]
        clean = redactor.query(query, self.tally)
        if clean != query:
            probe = _counting(redactor.query)
            self.places += redact_places.in_pairs(query, clean, probe, "request query ")
        return clean

    def text(self, text: str, where: str) -> str:
        """A message or a name."""
        return self._piece(self.redactor.text, text, where)

    def _again(self, text: str, where: str) -> str:
        clean = self.redactor.echoes(text, self.tally)
        if clean != text:
            self._note(where, Tally())
        return clean

    def _piece(self, cleaned: Callable[[str, Tally], str], text: str, where: str) -> str:
        own = Tally()
        clean = cleaned(text, self.tally)
        if clean != text:
            cleaned(text, own)
            self._note(where, own)
        return clean

    def _note(self, where: str, own: Tally) -> None:
        counts = own.counts or {"echo": 1}
        self.places += (Place(where, rule, count) for rule, count in counts.items())

    def _request_line(self, line: str) -> str:
        method, _, rest = line.partition(" ")
        target, _, version = rest.rpartition(" ")
        if "://" in target or "#" in target:  # for a proxy, or from nobody who keeps to the rules
            return f"{method} {self._piece(self.redactor.url, target, 'request target')} {version}"
        path, mark, query = target.partition("?")
        self._belongs_to(unquote(path), None)
        path = self._piece(self.redactor.path, path, "request path")
        return f"{method} {path}{mark}{self.query(query)} {version}"

    def _status_line(self, line: str) -> str:
        return self.text(line, "status line")

    def _field(self, line: str) -> tuple[str, str]:
        name, colon, value = line.partition(":")
        # What is no field line has no name that could be shown as it stands.
        return (name.strip(), value.strip()) if colon else (self.text(line, "header line"), "")

    def _grouped(self, headers: Headers, whose: str) -> Headers:
        return Headers(
            self.headers([(name, value) for name, values in headers.items() for value in values], whose)
        )

    def _recorded(self, body: Body, headers: Headers, whose: str) -> Body:
        """A body that was decoded when it was recorded."""
        if not isinstance(body.content, str) or not body.content:
            return body
        media_type = (headers.first("content-type") or "").partition(";")[0].strip().lower()
        if media_type.startswith("multipart/"):
            media_type = "application/json"  # as its parts are written
        clean = self.body(body.content.encode("utf-8", "surrogatepass"), media_type, None, whose)
        return replace(body, content=clean.content, withheld=clean.withheld)


class _Heard:
    """A redactor, and what it is asked to clean of one body: its decoded text, or the fields of a form."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.whole_text = self.media_type = ""
        self.fields_before: Sequence[tuple[str, str]] = ()
        self.fields_after: Sequence[tuple[str, str] | None] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.redactor, name)

    def body(self, text: str, media_type: str, tally: Tally, **how: Any) -> str | None:
        self.whole_text, self.media_type = text, media_type
        return self.redactor.body(text, media_type, tally, **how)

    def fields(self, pairs: Sequence[tuple[str, str]], tally: Tally) -> list[tuple[str, str] | None]:
        cleaned = self.redactor.fields(pairs, tally)
        self.fields_before, self.fields_after = pairs, cleaned
        return cleaned


def _places_in_body(heard: _Heard, clean: str) -> list[Place]:
    redactor, text, media_type = heard.redactor, heard.whole_text, heard.media_type
    if heard.fields_before:
        return list(_places_in_fields(heard))
    if not text or text == clean:
        return []
    probe = _counting(lambda piece, tally: redactor.body(piece, media_type, tally))
    try:
        return redact_places.in_json(text.removeprefix("\ufeff"), clean, probe)
    except ValueError:
        pass  # it is something else
    if media_type == _FORM:
        return redact_places.in_pairs(text, clean, probe, "form ")
    if media_type.endswith(("/xml", "+xml", "/html")):
        return redact_places.in_markup(text, clean, probe)
    return redact_places.in_lines(text, clean, probe)


def _places_in_fields(heard: _Heard) -> Iterator[Place]:
    names = [(each[0], "") for each in heard.fields_after if each]  # a rule may ask for them
    for dirty, clean in zip(heard.fields_before, heard.fields_after, strict=True):
        if dirty != clean:
            own = Tally()
            heard.redactor.fields([dirty, *names], own)
            for rule, count in (own.counts or {"echo": 1}).items():
                yield Place(f"form {clean[0] if clean else dirty[0]}", rule, count)


def _counting(cleaned: Callable[[str, Tally], str | None]) -> Probe:
    def probe(text: str) -> Mapping[str, int] | None:
        tally = Tally()
        try:
            return None if cleaned(text, tally) is None else tally.counts
        except Withheld:
            return None

    return probe


def _records(data: bytes) -> list[Exchange]:
    """The exchanges that the data is; none when it is something else."""
    if data.lstrip()[:1] != b"{":
        return []
    lines: Iterable[bytes] = [data] if _is_json(data) else data.splitlines()
    try:
        return [from_line(line) for line in lines if line.strip()]
    except ValueError:
        return []


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except ValueError:
        return False
    return True


def _dechunked(data: bytes) -> bytes:
    """The body that is sent in chunks; as it is when it is not."""
    pieces: list[bytes] = []
    at = 0
    while True:
        end = data.find(b"\n", at)
        size = data[at : end if end >= 0 else len(data)].partition(b";")[0].strip()
        try:
            length = int(size, 16)
        except ValueError:
            return b"".join(pieces) if pieces and not size else data
        if length <= 0 or end < 0:
            return b"".join(pieces)
        pieces.append(data[end + 1 : end + 1 + length])
        at = end + 1 + length
        at += 2 if data[at : at + 2] == b"\r\n" else 1
