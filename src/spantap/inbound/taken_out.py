"""Facts of the app's own that it gives in its answer, under a key that is for us alone.

Taken out before the answer is rendered, so that the client never sees them, and nothing is buffered
or parsed for it. That can be done where a framework renders an object only after the view is done:
Django REST framework, and Flask for views that return a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spantap.guard import report
from spantap.otel.session import SESSION, Session
from spantap.otel.tap import Tap


def taken_out(answer: Any, place: Mapping[str, Any], key: str) -> Any:
    """An answer without our key; what stood there is noted.

    Args:
        answer: anything; only dicts are looked at, and left as they are: others may have them too.
        place: the request's scope or environ.
        key: the key.
    """
    if not isinstance(answer, dict) or key not in answer:
        return answer
    left = answer.copy()
    facts = left.pop(key)
    session = place.get(SESSION)
    if isinstance(session, Session) and session.captured and isinstance(facts, Mapping):
        session.seen.add(facts)
    return left


class BeforeRendering:
    """Django's template response middleware: comes last before a response is rendered."""

    def __init__(self, tap: Callable[[], Tap]) -> None:
        """Args:
        tap: gives the tap in force.
        """
        self._tap = tap

    def process_template_response(self, request: Any, response: Any) -> Any:
        """Take our key out of what Django REST framework is about to render."""
        try:
            key = self._tap().data_key
            data = getattr(response, "data", None)
            if key is not None and isinstance(data, dict) and key in data:
                place = getattr(request, "environ", None) or getattr(request, "scope", None) or {}
                response.data = taken_out(data, place, key)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("taking facts out of an answer", error)
        return response

    async def aprocess_template_response(self, request: Any, response: Any) -> Any:
        """The same under ASGI."""
        return self.process_template_response(request, response)
