"""The door for httpx2, which is made as httpx is."""

from __future__ import annotations

from typing import Final

import httpx2

from spantap.outbound.httpx_transports import Door

_DOOR: Final = Door("httpx2", httpx2)
instrument = _DOOR.instrument
uninstrument = _DOOR.uninstrument
