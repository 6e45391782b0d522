"""Response headers that are for us, kept from the client: `HIDE_IDENTITY_HEADERS`.

Stands outside of the rest of a door, so that it sees them before they go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from spantap.guard import report

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


def hiding_send(send: Send, names: frozenset[str]) -> Send:
    """An ASGI `send` that leaves out these headers.

    Args:
        send: the server's.
        names: in lower case.
    """
    octets = frozenset(name.encode("latin-1") for name in names)

    async def hiding(message: Message) -> None:
        if message["type"] == "http.response.start":
            try:
                headers = message.get("headers") or ()
                if not isinstance(headers, (list, tuple)):
                    headers = list(headers)  # good for one reading, perhaps
                    message = {**message, "headers": headers}
                shown = [each for each in headers if bytes(each[0]).lower() not in octets]
                if len(shown) < len(headers):
                    message = {**message, "headers": shown}
            except Exception as error:  # noqa: BLE001 - odd headers are the server's to refuse
                report("hiding headers", error)
        await send(message)

    return hiding


def hiding_start_response(start_response: Callable[..., Any], names: frozenset[str]) -> Callable[..., Any]:
    """A WSGI `start_response` that leaves out these headers; arguments as for `hiding_send`."""

    def hiding(status: str, headers: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if not isinstance(headers, (list, tuple)):
                headers = list(headers)  # good for one reading, perhaps
            if any(str(name).lower() in names for name, _ in headers):
                headers = [(name, value) for name, value in headers if str(name).lower() not in names]
        except Exception as error:  # noqa: BLE001 - odd headers are the server's to refuse
            report("hiding headers", error)
        return start_response(status, headers, *args, **kwargs)

    return hiding
