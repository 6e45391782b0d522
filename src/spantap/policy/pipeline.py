"""Observation in, clean `Exchange` out: the only place that makes one.

Runs after the last byte of a response (or, for a live span that somebody else ends, just
before it). Pure and thread-safe: a `Pipeline` is built once from the settings and shared.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from spantap.capture import raised
from spantap.capture.limits import CaptureLimits
from spantap.model import (
    Body,
    Error,
    Exchange,
    Headers,
    Identity,
    Observation,
    Peer,
    Request,
    Response,
    Timing,
)
from spantap.model.exchange import NOBODY
from spantap.model.observation import NOTHING, Collected
from spantap.policy.again import without_echoes
from spantap.policy.body import BodyLimits, clean_body
from spantap.policy.bounds import METADATA_MAX_BYTES, METRICS_MAX, NAME_MAX, named, within
from spantap.policy.mask import EditableExchange, masked
from spantap.policy.redact import MASK, Redactor, Tally
from spantap.policy.redact.rules import compile_names
from spantap.policy.well_formed import well_formed

_ROUTES_REMEMBERED = 512
_NO_PEER = Peer()
_UNSAID = (None,) * 5
_LENGTHS = frozenset(map(len, ("content-type", "content-encoding", "content-length")))


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """What of an exchange may be shown.

    Attributes:
        limits: bounds of bodies and headers.
        headers: whether header values are captured.
        request_headers, response_headers: expressions for whole names, in any case, of those that
            are captured even when `headers` is off.
        query: whether the query string is captured.
    """

    limits: CaptureLimits = field(default_factory=CaptureLimits)
    headers: bool = True
    request_headers: tuple[str, ...] = ()
    response_headers: tuple[str, ...] = ()
    query: bool = True


class Pipeline:
    """Redacts and shapes observations. Immutable, thread-safe."""

    __slots__ = (
        "_options",
        "_redactor",
        "_request_limits",
        "_response_limits",
        "_routes",
        "_wanted_of_request",
        "_wanted_of_response",
    )

    def __init__(self, redactor: Redactor, options: PipelineOptions) -> None:
        self._redactor = redactor
        self._options = options
        self._routes: dict[str, str] = {}
        self._wanted_of_request = compile_names(options.request_headers)
        self._wanted_of_response = compile_names(options.response_headers)
        limits = options.limits
        self._request_limits = BodyLimits(limits.request_body, limits.collect_request)
        self._response_limits = BodyLimits(limits.response_body, limits.collect_response)

    def clean_path(self, path: str) -> str:
        """The path as it may stand on a live span."""
        return well_formed(self._redactor.path(path, Tally()))

    def clean_route(self, route: str) -> str:
        """A route as it may stand in a span name; templates are few, so the first are remembered."""
        clean = self._routes.get(route)
        if clean is None:
            clean = self.clean_path(route)
            if len(self._routes) < _ROUTES_REMEMBERED:
                self._routes[route] = clean
        return clean

    def clean_query(self, query: str) -> str:
        """The query string as it may stand on a span without an exchange."""
        return well_formed(self._redactor.query(query, Tally())) if query and self._options.query else ""

    def clean_address(self, address: str | None) -> str | None:
        """The client's address as it may stand on a live span."""
        return self._redactor.address(address, Tally())

    def clean_user_agent(self, agent: str | None) -> str | None:
        """What the client calls itself, as it may stand on a live span: by the rules for the header."""
        if agent is None or not self._redactor.ruled:
            return agent
        return next(
            (value for _, value in self._redactor.header_pairs([("user-agent", agent)], Tally())), None
        )

    def clean_identity(self, seen: Observation | Identity) -> Identity:
        """Who it was, as far as is known by now, as it may be told."""
        tally = Tally()
        identity = _identity(seen, functools.partial(self._name, tally=tally))
        return _hashed(seen, identity, self._redactor, tally) if self._redactor.hashes else identity

    def prepare(self) -> None:
        """A request has begun: what takes its time, and is needed at its end, may begin now."""
        if self._redactor.hasher is not None:
            self._redactor.hasher.prepare()

    def clean_name(self, text: str, tally: Tally) -> str:
        """A name, an id, an address: without secrets, and withheld when it is too long to be one."""
        if len(text) > NAME_MAX:
            return named(text)
        return well_formed(self._redactor.text(text, tally))

    @property
    def _silent(self) -> bool:
        """Whether nothing of what was said is captured; then exceptions, which quote it, stay silent, too."""
        return not (self._options.headers or self._options.query or self._request_limits.max_bytes)

    def clean_message(self, text: str, tally: Tally) -> str:
        """An exception's message without secrets; empty when nothing of what was said is captured."""
        if self._silent:
            return ""
        if self._redactor.allows:
            return MASK if text else text
        return well_formed(raised.shown(self._redactor.text(text, tally), raised.MESSAGE_MAX))

    def clean_stacktrace(self, text: str, tally: Tally) -> str:
        """A traceback without secrets; empty when nothing of what was said is captured."""
        if self._silent:
            return ""
        if self._redactor.allows:
            text = raised.places_of(text)
        return well_formed(raised.shown(self._redactor.text(text, tally), raised.STACKTRACE_MAX))

    def suspects(self, text: str) -> bool:
        """Whether a text has to be cleaned, or is not well-formed: a quick look that errs on yes."""
        return not text.isascii() or self._redactor.suspects(text)

    def learn(self, seen: Observation, tally: Tally) -> None:
        """Note the secrets of a request that is not to be kept, or not over yet.

        Args:
            seen: the request, as far as it was seen; not changed.
            tally: remembers them.
        """
        redactor, _ = self._redactor.of(seen.path, seen.route)
        tally.secrets |= seen.unshown
        redactor.query(seen.query, tally)
        redactor.header_pairs(seen.request_headers, tally)
        _body(seen.request_body, seen.request_headers, self._request_limits, redactor, tally)

    def run(self, seen: Observation, tally: Tally | None = None) -> Exchange:
        """The clean exchange of an observation.

        Args:
            seen: what the door saw; not changed.
            tally: collects what was masked; a new one when None.

        Raises:
            Exception: a bug of ours; the caller emits no exchange then.
        """
        if tally is None:
            tally = Tally()
        redactor, options = self._redactor, self._options
        asking, answering = redactor.of(seen.path, seen.route)
        tally.secrets |= seen.unshown
        # The request first: what is masked there is known by name, and may come back in the
        # response under names that say nothing.
        short = _short_texts(seen)
        query = seen.query if options.query else ""
        asked = self._shown(seen.request_headers, self._wanted_of_request)
        answered = self._shown(seen.response_headers, self._wanted_of_response)
        # One look at all that is short: in most exchanges there is nothing in any of it.
        quiet = not self.suspects(
            "\n".join((short, query, *redactor.plain_values(itertools.chain(asked, answered))))
        )
        calm = len(short) <= NAME_MAX and (quiet or not self.suspects(short))
        path = seen.path if calm else well_formed(redactor.path(seen.path, tally))
        query = well_formed(asking.query(query, tally, quiet=quiet))
        request_headers, request_dropped = self._headers(asked, asking, tally, quiet=quiet)
        request_body = _body(seen.request_body, seen.request_headers, self._request_limits, asking, tally)
        known = len(tally.secrets)
        response_headers, response_dropped = self._headers(
            answered, answering, tally, quiet=quiet, echoes=True
        )
        # Whatever the app gives in answer to HEAD, the server keeps to itself.
        answer = NOTHING if seen.method == "HEAD" else seen.response_body
        response_body = _body(answer, seen.response_headers, self._response_limits, answering, tally)
        metadata = _metadata(seen.metadata, redactor, tally) if seen.metadata else {}
        error = None
        if seen.error_type is not None:
            # Last, so that every value masked above is known and leaves this text too.
            if not (options.headers and options.query):
                unshown = Tally()
                self.learn(seen, unshown)  # what is not captured may be quoted all the same
                tally.secrets |= unshown.secrets
            message = self.clean_message(seen.error_message or "", tally) or None
            error = Error(self.clean_name(seen.error_type, tally), message)
        elif (failed := seen.error_status) is not None:
            error = Error(failed)  # as the conventions want it; there is no exception to name
        clean = calm and redactor.scrubbed(short, tally) == short
        name = _unchanged if clean else functools.partial(self._name, tally=tally)
        said = (seen.method, seen.scheme, seen.http_version, seen.client_address, seen.server_address)
        method, scheme, http_version, client_address, server_address = said if clean else map(name, said)
        identity = _identity(seen, name)
        if redactor.hashes:
            client_address = redactor.address(seen.client_address, tally)
            identity = _hashed(seen, identity, redactor, tally)
        exchange = Exchange(
            trace_id=seen.trace_id,
            span_id=seen.span_id,
            parent_span_id=seen.parent_span_id,
            answering_span_id=seen.answering_span_id,
            direction=seen.direction,
            request=Request(
                method=method or "",
                scheme=scheme or "",
                path=path,
                query=query,
                headers=request_headers,
                headers_dropped=request_dropped,
                body=request_body,
                http_version=http_version,
                resends=seen.resends,
            ),
            response=Response(
                status=seen.status,
                headers=response_headers,
                headers_dropped=response_dropped,
                body=response_body,
            ),
            timing=Timing(seen.start, seen.first_byte, seen.end),
            client=Peer(client_address, _port(seen.client_port)),
            server=Peer(server_address, _port(seen.server_port)),
            peer=_NO_PEER
            if seen.peer_address is None
            else Peer(name(seen.peer_address), _port(seen.peer_port)),
            route=seen.route if calm or seen.route is None else self.clean_path(seen.route),
            endpoint=name(seen.endpoint),
            identity=identity,
            error=error,
            incomplete=seen.incomplete,
            metadata=metadata,
            metrics={name(metric) or "": value for metric, value in list(seen.metrics.items())[:METRICS_MAX]},
            redactions=tally.counts,
            hash_key_id=redactor.hash_key_id(tally),
            service=seen.service,
            sampled=seen.sampled,
            weight=seen.weight,
            capture_reason=seen.capture_reason,
        )
        return without_echoes(exchange, asking, tally, known=known)

    def masked(self, exchange: Exchange, left: EditableExchange) -> Exchange:
        """An exchange as the app's `mask` hook has left it; see `policy.mask`."""
        return masked(exchange, left, self._options.limits)

    def _name(self, text: str | None, *, tally: Tally) -> str | None:
        return None if text is None else self.clean_name(text, tally)

    def _shown(self, pairs: list[tuple[str, str]], wanted: Any) -> list[tuple[str, str]]:
        """The headers that are captured at all."""
        if self._options.headers:
            return pairs
        return [] if wanted is None else [each for each in pairs if wanted.fullmatch(each[0])]

    def _headers(
        self,
        pairs: list[tuple[str, str]],
        redactor: Redactor,
        tally: Tally,
        *,
        quiet: bool,
        echoes: bool = False,
    ) -> tuple[Headers, int]:
        if not pairs:
            return Headers(), 0
        limits = self._options.limits
        most, room = limits.headers, limits.header_bytes
        clean = redactor.header_pairs(pairs, tally, quiet=quiet)
        if echoes and redactor.hears("\n".join([value for _, value in clean]), tally):
            clean = [(name, redactor.echoes(value, tally)) for name, value in clean]
        together = "".join(itertools.chain.from_iterable(clean))
        if together.isascii() and len(clean) <= most and len(together) <= room:
            return Headers.of_lower(clean), 0
        return within(((well_formed(name), well_formed(value)) for name, value in clean), limits)


def _short_texts(seen: Observation) -> str:
    """Path, names, ids and addresses, to be looked at together."""
    texts = (
        *(seen.path, seen.route, seen.method, seen.scheme, seen.http_version, seen.client_address),
        *(seen.server_address, seen.peer_address, seen.endpoint, seen.error_type),
        *(seen.user, seen.email, seen.company, seen.session, seen.device, *seen.metrics),
    )
    return "\n".join(filter(None, texts))


def _identity(seen: Observation | Identity, name: Callable[[str | None], str | None]) -> Identity:
    if (seen.user, seen.email, seen.company, seen.session, seen.device) == _UNSAID:
        return NOBODY
    return Identity(
        user=name(seen.user),
        email=name(seen.email),
        company=name(seen.company),
        session=name(seen.session),
        device=name(seen.device),
    )


def _hashed(seen: Observation | Identity, identity: Identity, redactor: Redactor, tally: Tally) -> Identity:
    """The identity with what is to be hashed, hashed: of the user's id that is another field."""

    def of(field: str, raw: str | None, clean: str | None) -> str | None:
        return redactor.hashed(raw, tally) if raw and field in redactor.hashes else clean

    user = of("user", seen.user, None)
    return replace(
        identity,
        user=identity.user if user is None else None,
        user_hash=user,
        email=of("email", seen.email, identity.email),
        company=of("company", seen.company, identity.company),
        session=of("session", seen.session, identity.session),
        device=of("device", seen.device, identity.device),
    )


def _unchanged(text: str | None) -> str | None:
    return text


def _port(port: object) -> int | None:
    return port if isinstance(port, int) and 0 <= port <= 0xFFFF else None


def _body(
    collected: Collected,
    headers: list[tuple[str, str]],
    limits: BodyLimits,
    redactor: Redactor,
    tally: Tally,
) -> Body:
    if not collected.size and collected.missing is None and collected.whole:
        return Body()
    content_type = content_encoding = content_length = None
    for name, value in headers:
        if len(name) not in _LENGTHS:
            continue
        lower = name.lower()
        if lower == "content-type":
            content_type = value
        elif lower == "content-encoding" and not collected.uncoded:
            content_encoding = value if content_encoding is None else f"{content_encoding}, {value}"
        elif lower == "content-length":
            content_length = value
    if not collected.size and collected.missing is None:
        # A body was announced that nobody read: it never passed, and we do not read it for them.
        return Body(withheld="unread") if content_length not in (None, "0") else Body()
    body = clean_body(collected, content_type, content_encoding, limits, redactor, tally)
    if isinstance(body.content, str) and not body.content.isascii():
        return replace(body, content=well_formed(body.content))
    return body


def _metadata(metadata: Mapping[str, Any], redactor: Redactor, tally: Tally) -> Mapping[str, Any]:
    """The app's own facts, redacted like a JSON body; not kept when they are not JSON or too large."""
    try:
        text = orjson.dumps(metadata, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return {"spantap": "metadata withheld: not JSON"}
    clean = redactor.body(text, "application/json", tally) if len(text) <= METADATA_MAX_BYTES else None
    if clean is None:
        return {"spantap": f"metadata withheld: more than {METADATA_MAX_BYTES} bytes"}
    loaded: dict[str, Any] = orjson.loads(clean)
    return loaded
