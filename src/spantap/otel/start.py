"""The attributes our spans start with: those of OpenTelemetry's own instrumentations in stable mode.

A test holds them against contrib's. Made here because contrib takes some 25 us to make them.
The sampler is handed them with every span, but the standard ones do not look: they are made
when somebody does, so that a span that is dropped does not pay for them.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping
from functools import lru_cache
from typing import Any

from opentelemetry.semconv._incubating.attributes.user_agent_attributes import USER_AGENT_SYNTHETIC_TYPE
from opentelemetry.semconv.attributes.client_attributes import CLIENT_ADDRESS, CLIENT_PORT
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_REQUEST_METHOD_ORIGINAL,
    HTTP_REQUEST_RESEND_COUNT,
)
from opentelemetry.semconv.attributes.network_attributes import NETWORK_PROTOCOL_VERSION
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.semconv.attributes.url_attributes import URL_FULL, URL_PATH, URL_SCHEME
from opentelemetry.semconv.attributes.user_agent_attributes import USER_AGENT_ORIGINAL
from opentelemetry.util.http import detect_synthetic_user_agent, sanitize_method

from spantap.codec.attributes import KNOWN_METHODS, full_url
from spantap.model import Observation
from spantap.policy.pipeline import Pipeline
from spantap.policy.redact import Tally
from spantap.policy.well_formed import well_formed

Observe = Callable[[Any, int], Observation]


class StartAttributes(Mapping[str, Any]):
    """What `start_attributes` makes, made when somebody looks. Used by one request."""

    __slots__ = ("_made", "_observe", "_pipeline", "_place", "_seen", "start")

    def __init__(self, observe: Observe, place: Any, start: int, pipeline: Pipeline) -> None:
        """Args:
        observe: makes the observation of the request, from the time it began.
        place: where it finds it: scope, environ, or the request a client sends.
        start: that time, in nanoseconds since the epoch.
        pipeline: cleans what the client chose.
        """
        self.start = start
        self._observe = observe
        self._place = place
        self._pipeline = pipeline
        self._seen: Observation | None = None
        self._made: dict[str, Any] | None = None

    @property
    def seen(self) -> Observation:
        """What is known of the request; the same object each time."""
        seen = self._seen
        if seen is None:
            seen = self._seen = self._observe(self._place, self.start)
            seen.path = well_formed(seen.path)
            self._pipeline.prepare()
        return seen

    def _all(self) -> dict[str, Any]:
        if self._made is None:
            seen = self.seen
            make = start_attributes if seen.direction == "inbound" else start_attributes_of_call
            self._made = make(seen, self._pipeline)
        return self._made

    def __getitem__(self, name: str) -> Any:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def items(self) -> ItemsView[str, Any]:
        """As the dict has them: the SDK copies all of them onto a span it records."""
        return self._all().items()


def start_attributes(seen: Observation, pipeline: Pipeline) -> dict[str, Any]:
    """What is known of a request before it is answered, clean. The query comes later.

    Args:
        seen: the request.
        pipeline: cleans what the client chose.
    """
    path, user_agent, address, original = _cleaned(seen, pipeline)
    method = seen.method if seen.method in KNOWN_METHODS else sanitize_method(seen.method)
    attributes: dict[str, Any] = {
        HTTP_REQUEST_METHOD: method,
        URL_SCHEME: seen.scheme,
        URL_PATH: path,
    }
    if method != seen.method and original is not None:
        attributes[HTTP_REQUEST_METHOD_ORIGINAL] = original
    if address is not None:
        attributes[SERVER_ADDRESS] = address
    if seen.server_port is not None:
        attributes[SERVER_PORT] = seen.server_port
    if seen.client_address is not None:
        attributes[CLIENT_ADDRESS] = pipeline.clean_address(seen.client_address)
    if seen.client_port is not None:
        attributes[CLIENT_PORT] = seen.client_port
    if seen.http_version is not None:
        attributes[NETWORK_PROTOCOL_VERSION] = seen.http_version
    attributes.update(user_agent_attributes(pipeline.clean_user_agent(user_agent)))
    return attributes


def start_attributes_of_call(seen: Observation, pipeline: Pipeline) -> dict[str, Any]:
    """What is known of a request we are about to send, clean.

    Args:
        seen: the request.
        pipeline: cleans what may hold secrets.
    """
    path, user_agent, address, original = _cleaned(seen, pipeline)
    query = pipeline.clean_query(seen.query)
    method = seen.method if seen.method in KNOWN_METHODS else sanitize_method(seen.method)
    attributes: dict[str, Any] = {
        HTTP_REQUEST_METHOD: method,
        URL_FULL: full_url(seen.scheme, address, seen.server_port, path, query),
    }
    if method != seen.method and original is not None:
        attributes[HTTP_REQUEST_METHOD_ORIGINAL] = original
    if address is not None:
        attributes[SERVER_ADDRESS] = address
    if seen.server_port is not None:
        attributes[SERVER_PORT] = seen.server_port
    if seen.resends:
        attributes[HTTP_REQUEST_RESEND_COUNT] = seen.resends
    attributes.update(user_agent_attributes(pipeline.clean_user_agent(user_agent)))
    return attributes


def _cleaned(seen: Observation, pipeline: Pipeline) -> tuple[str, str | None, str | None, str | None]:
    """Path, user agent, server's address and method, of which one may hold a secret."""
    path, user_agent, address = seen.path, seen.user_agent, seen.server_address
    original: str | None = seen.method
    if pipeline.suspects(f"{path}\n{user_agent}\n{address}\n{original}"):
        path = pipeline.clean_path(path)
        user_agent, address, original = (
            None if text is None else pipeline.clean_name(text, Tally())
            for text in (user_agent, address, original)
        )
    return path, user_agent, address, original


def user_agent_attributes(user_agent: str | None) -> dict[str, Any]:
    """What is said of the client, by its own name for itself."""
    if user_agent is None:
        return {}
    synthetic = _synthetic(user_agent)
    if synthetic is None:
        return {USER_AGENT_ORIGINAL: user_agent}
    return {USER_AGENT_ORIGINAL: user_agent, USER_AGENT_SYNTHETIC_TYPE: synthetic}


@lru_cache(maxsize=256)
def _synthetic(user_agent: str) -> str | None:
    """Whether it is a bot or a test, as contrib tells it."""
    return detect_synthetic_user_agent(user_agent)
