"""Names of JSON members that stand beside what they tell of."""

from __future__ import annotations

from typing import Final

# Members that name what stands in another member of the same object.
NAMING: Final = (
    "name", "key", "field", "header", "param", "parameter", "label", "id", "type", "Name", "Key", "NAME",
    "KEY", "Field", "attribute", "property", "fieldName", "field_name", "n", "k", "path",
)  # fmt: skip
NAMED: Final = frozenset({
    "value", "values", "val", "content", "data", "text", "default", "v", "Value", "Values", "VALUE",
    "oldValue", "newValue", "old_value", "new_value", "stringValue", "string_value", "rejectedValue",
    "rejected_value",
})  # fmt: skip
# Members that hold what was refused at the place that `loc` names.
REFUSED: Final = frozenset({"input", "ctx"})
LATER: Final = NAMED | REFUSED  # values whose name may come after them
NAMERS: Final = frozenset(NAMING) - {"id", "type"}  # those two stand beside a name as well
LONGEST: Final = 512  # bytes of a value whose name may come later
