"""Browser and platform, from what a client calls itself.

`ua-parser` knows the names: data and code are kept up by its own project, it is typed, and with
RE2, which we have anyway, it takes linear time over what any client may send. It is imported when
the first name is asked for: that costs a tenth of a second, a name it has seen nothing.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Final

from spantap.model import Exchange

MISSING: Final = 'browser and platform need a library: pip install "spantap[user-agent]"'
_LONGEST: Final = 512  # characters that are looked at; names are found at the beginning


def available() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec("ua_parser") is not None


def with_names(exchange: Exchange) -> Exchange:
    """The exchange with browser and platform; the same when the client says nothing that is known."""
    agent = exchange.request.headers.first("user-agent")
    if not agent:
        return exchange
    import ua_parser

    agent = agent[:_LONGEST]
    browser, platform = ua_parser.parse_user_agent(agent), ua_parser.parse_os(agent)
    if browser is None and platform is None:
        return exchange
    return replace(
        exchange,
        request=replace(
            exchange.request,
            browser=None if browser is None else browser.family,
            platform=None if platform is None else platform.family,
        ),
    )
