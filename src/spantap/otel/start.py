"""The attributes a SERVER span starts with: those of OpenTelemetry's own middlewares in stable mode.

A test holds them against contrib's. Made here because contrib takes some 25 us to make them,
and the sampler has to have them even when it drops the span.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from opentelemetry.semconv._incubating.attributes.user_agent_attributes import USER_AGENT_SYNTHETIC_TYPE
from opentelemetry.semconv.attributes.client_attributes import CLIENT_ADDRESS, CLIENT_PORT
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_REQUEST_METHOD_ORIGINAL,
)
from opentelemetry.semconv.attributes.network_attributes import NETWORK_PROTOCOL_VERSION
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.semconv.attributes.url_attributes import URL_PATH, URL_SCHEME
from opentelemetry.semconv.attributes.user_agent_attributes import USER_AGENT_ORIGINAL
from opentelemetry.util.http import detect_synthetic_user_agent, sanitize_method

from spantap.codec.attributes import KNOWN_METHODS
from spantap.model import Observation
from spantap.policy.pipeline import Pipeline
from spantap.policy.redact import Tally


def start_attributes(seen: Observation, pipeline: Pipeline) -> dict[str, Any]:
    """What is known of a request before it is answered, clean. The query comes later.

    Args:
        seen: the request.
        pipeline: cleans what the client chose.
    """
    path, user_agent, address = seen.path, seen.user_agent, seen.server_address
    original: str | None = seen.method
    if pipeline.suspects(f"{path}\n{user_agent}\n{address}\n{original}"):
        path = pipeline.clean_path(path)
        user_agent, address, original = (
            None if text is None else pipeline.clean_name(text, Tally())
            for text in (user_agent, address, original)
        )
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
        attributes[CLIENT_ADDRESS] = seen.client_address
    if seen.client_port is not None:
        attributes[CLIENT_PORT] = seen.client_port
    if seen.http_version is not None:
        attributes[NETWORK_PROTOCOL_VERSION] = seen.http_version
    if user_agent is not None:
        attributes[USER_AGENT_ORIGINAL] = user_agent
        synthetic = _synthetic(user_agent)
        if synthetic is not None:
            attributes[USER_AGENT_SYNTHETIC_TYPE] = synthetic
    return attributes


@lru_cache(maxsize=256)
def _synthetic(user_agent: str) -> str | None:
    """Whether it is a bot or a test, as contrib tells it."""
    return detect_synthetic_user_agent(user_agent)
