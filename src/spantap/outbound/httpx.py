"""The door for httpx."""

from __future__ import annotations

from typing import Final

import httpx

from spantap.outbound.httpx_transports import Door

_DOOR: Final = Door("httpx", httpx)
instrument = _DOOR.instrument
uninstrument = _DOOR.uninstrument
