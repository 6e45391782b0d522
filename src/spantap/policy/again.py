"""The last look at an exchange: what was masked in one part of it leaves those cleaned before that.

A request is cleaned in its order: a password in its body is not known yet when its query is.
"""

from __future__ import annotations

from dataclasses import replace

import orjson

from spantap.model import Body, Exchange, Headers
from spantap.policy.redact import Redactor, Tally


def without_echoes(exchange: Exchange, redactor: Redactor, tally: Tally, *, known: int = 0) -> Exchange:
    """The exchange, its request and metadata also without values that were masked elsewhere in it.

    The path stays: cookies hold words (``lang=german``) that paths are made of.

    Args:
        exchange: clean, but for these; the same one comes back when there are none.
        redactor: that of the request.
        tally: knows the values.
        known: how many it knew when the body of the request was cleaned.
    """
    if not tally.secrets:
        return exchange
    request, metadata = exchange.request, exchange.metadata
    query, headers = request.query, request.headers
    # One look at all of them together; mostly there is nothing in any.
    if redactor.hears("\n".join([query, *[value for values in headers.values() for value in values]]), tally):
        query, headers = redactor.echoes(query, tally), _headers(headers, redactor, tally)
    body = request.body if known == len(tally.secrets) else _body(request.body, redactor, tally)
    if query != request.query or headers is not request.headers or body is not request.body:
        request = replace(request, query=query, headers=headers, body=body)
        exchange = replace(exchange, request=request)
    if metadata:
        text = orjson.dumps(metadata).decode()
        clean = redactor.echoes(text, tally)
        if clean != text:
            exchange = replace(exchange, metadata=orjson.loads(clean))
    return exchange


def _headers(headers: Headers, redactor: Redactor, tally: Tally) -> Headers:
    return Headers.grouped(
        {name: [redactor.echoes(each, tally) for each in values] for name, values in headers.items()}
    )


def _body(body: Body, redactor: Redactor, tally: Tally) -> Body:
    if not isinstance(body.content, str) or not body.content:
        return body
    clean = redactor.echoes(body.content, tally)
    return body if clean == body.content else replace(body, content=clean)
