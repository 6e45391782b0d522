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
    "kind",  # of Kubernetes: Secret
    "argumentName",
    "ParameterKey",
    "OutputKey",
    "instancePath",
    "dataPath",
)
NAMED: Final = frozenset({
    "value", "values", "val", "content", "data", "text", "default", "v", "Value", "Values", "VALUE",
    "oldValue", "newValue", "old_value", "new_value", "stringValue", "string_value", "rejectedValue",
    "rejected_value", "originalValue", "oldVal", "newVal", "ParameterValue", "OutputValue",
    "stringData",
})  # fmt: skip

# These stand beside a name as well, and are none.
NOT_ALONE: Final = frozenset({"id", "type", "kind"})
# Members that tell the place of a value, name by name, and the value.
PLACES: Final = ("loc", "path")
# What validators tell of a value they refused, beside its place.
REFUSED: Final = frozenset({"input", "ctx", "received"})
# Private members of a key: RFC 7518, 6.2 to 6.4.
KEY_PARTS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
LATER: Final = NAMED | REFUSED  # values whose name may come after them
NAMERS: Final = frozenset(NAMING) - NOT_ALONE
LONGEST: Final = 512  # characters of a value whose name may come later
