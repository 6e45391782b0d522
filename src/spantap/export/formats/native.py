"""Our own records (docs/record.schema.json), as a JSON array or one a line."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from spantap.codec.jsonl import to_line
from spantap.codec.record import to_record
from spantap.model import Exchange


class JSONArray:
    """One JSON array of records."""

    media_type = "application/json"

    def encode(self, exchanges: Sequence[Exchange], /) -> bytes:
        """The batch as one document."""
        return orjson.dumps([to_record(each) for each in exchanges])


class NDJSON:
    """One record a line."""

    media_type = "application/x-ndjson"

    def encode(self, exchanges: Sequence[Exchange], /) -> bytes:
        """The batch as lines."""
        return b"".join(map(to_line, exchanges))
