"""Members and fields that name what stands beside them: ``{"name": "password", "value": "..."}``."""

from __future__ import annotations

from typing import Final

# Members that name what stands in another member of the same object.
NAMING: Final = (
    "name",
    "key",
    "field",
    "header",
    "param",
    "parameter",
    "label",
    "id",
    "type",
    "Name",
    "Key",
    "NAME",
    "KEY",
    "Field",
    "attribute",
    "property",
    "fieldName",
    "field_name",
    "n",
    "k",
    "path",
)
NAMED: Final = frozenset({
    "value", "values", "val", "content", "data", "text", "default", "v", "Value", "Values", "VALUE",
    "oldValue", "newValue", "old_value", "new_value", "stringValue", "string_value", "rejectedValue",
    "rejected_value",
})  # fmt: skip

# What pydantic tells of a value it refused, beside its place.
REFUSED: Final = frozenset({"input", "ctx"})
LATER: Final = NAMED | REFUSED  # values whose name may come after them
NAMERS: Final = frozenset(NAMING) - {"id", "type"}  # those two stand beside a name as well
LONGEST: Final = 512  # characters of a value whose name may come later
