"""What stands under a sensitive name and is no secret: a schema of it, or what validators say about it.

Everything shown is from a closed list of words, a small number, or a name of a member. What is not is masked.
"""

from __future__ import annotations

import re
from typing import Any, Final

from spantap.policy.redact.keys import squashed
from spantap.policy.redact.tally import MASK

_TYPES: Final = frozenset({
    "string", "integer", "number", "boolean", "object", "array", "null",
    "apiKey", "http", "oauth2", "openIdConnect",  # of OpenAPI's security schemes
})  # fmt: skip
_WORDS: Final = {
    "format": frozenset({
        "password", "uuid", "date", "date-time", "time", "email", "uri", "url", "binary", "byte", "int32",
        "int64", "float", "double", "hostname", "ipv4", "ipv6",
    }),
    "in": frozenset({"header", "query", "cookie", "path"}),
    "scheme": frozenset({"basic", "bearer", "digest"}),
    "bearerFormat": frozenset({"JWT"}),
}  # fmt: skip
_NUMBERS: Final = frozenset({
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minimum", "maximum",
})  # fmt: skip
_FLAGS: Final = frozenset(
    {"nullable", "readOnly", "writeOnly", "deprecated", "required", "uniqueItems", "additionalProperties"}
)
_TEXTS: Final = frozenset({"description", "title", "name", "default", "example", "examples", "pattern"})
_MANY: Final = frozenset({"anyOf", "oneOf", "allOf"})
_INSIDE: Final = frozenset({"items", "additionalProperties"})
_REFERENCE = re.compile(r"#/(?:components/schemas|definitions|\$defs)/[A-Za-z]{1,64}")
_LARGEST: Final = 10_000
_DEEPEST: Final = 8

_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})

# Django, its REST framework, WTForms, marshmallow and pydantic, to the letter.
_MESSAGE = re.compile(
    r"(?:This field (?:is required|may not be blank|may not be null|cannot be blank|cannot be null)"
    r"|Ensure this (?:field|value) has (?:at least|at most|no more than) [0-9]{1,4} characters?"
    r"(?: \(it has [0-9]{1,4}\))?"
    r"|This password is (?:too common|entirely numeric)"
    r"|This password is too short\. It must contain at least [0-9]{1,4} characters?"
    r"|The password is too similar to the (?:username|first name|last name|email address)"
    r"|The two password fields didn[\u2019']t match|Enter a valid value|Not a valid string"
    r"|Field must be (?:at least|between) [0-9]{1,4}(?: and [0-9]{1,4})? characters? long"
    r"|Missing data for required field|Field may not be null|Unknown field"
    r"|(?:Shorter than minimum|Longer than maximum) length [0-9]{1,4}"
    r"|[Ff]ield required|Input should be a valid string"
    r"|String should have at (?:least|most) [0-9]{1,4} characters?)\.?"
)


def is_message(value: Any) -> bool:
    """Whether a value, or each in a list, is a known message of a validator."""
    if type(value) is str:
        return " " in value and _MESSAGE.fullmatch(value) is not None
    return (
        type(value) is list
        and 0 < len(value) <= 8
        and all(type(each) is str and is_message(each) for each in value)
    )


def outline(name: str, value: dict[str, Any], hidden: list[Any], depth: int = 0) -> dict[str, Any] | None:
    """What may be shown of a schema (JSON Schema, OpenAPI); None when it is none.

    Args:
        name: what it is a schema of.
        value: perhaps a schema.
        hidden: takes what was masked in it.
        depth: how many are around it.
    """
    if depth > _DEEPEST or not _is_schema(value):
        return None
    shown: dict[str, Any] = {}
    masked: list[Any] = []
    for key, each in value.items():
        clean = _member(name, key, each, masked, depth)
        if clean is None:
            return None
        shown[key] = clean[0]
    required, properties = value.get("required"), value.get("properties")
    if type(required) is list and not (type(properties) is dict and set(required) <= properties.keys()):
        return None
    hidden += masked
    return shown


def is_operations(name: str, value: dict[str, Any]) -> bool:
    """Whether it is what OpenAPI says about a path: ``"/token": {"post": {..., "responses": {...}}}``."""
    return (
        name.startswith("/")
        and bool(value)
        and all(
            method in _METHODS and type(each) is dict and type(each.get("responses")) is dict
            for method, each in value.items()
        )
    )


def _is_schema(value: dict[str, Any]) -> bool:
    kind = value.get("type")
    kinds = kind if type(kind) is list and kind else [kind]
    if all(type(each) is str and each in _TYPES for each in kinds):
        return True
    if kind is not None:
        return False
    reference = value.get("$ref")
    if type(reference) is str:
        return _REFERENCE.fullmatch(reference) is not None
    return any(type(value.get(each)) is list and value[each] for each in _MANY)


def _member(name: str, key: str, value: Any, hidden: list[Any], depth: int) -> tuple[Any] | None:
    """A member as it may be shown; None when schemas have none like it."""
    if key == "type":
        return (value,)  # `_is_schema` has looked at it
    if key == "$ref":
        return (value,) if type(value) is str and _REFERENCE.fullmatch(value) else None
    if key in _WORDS:
        return (value,) if type(value) is str and value in _WORDS[key] else None
    if key in _NUMBERS:
        return (value,) if type(value) is int and 0 <= value <= _LARGEST else None
    if (key in _FLAGS and type(value) is bool) or (key == "required" and _are_names(value)):
        return (value,)
    if key == "title" and type(value) is str and squashed(value) == squashed(name):
        return (value,)
    if key in _TEXTS:
        if value not in (None, "", MASK):
            hidden.append(value)
            value = MASK
        return (value,)
    return _inside(key, value, hidden, depth)


def _are_names(value: Any) -> bool:
    return type(value) is list and all(type(each) is str for each in value)


def _inside(key: str, value: Any, hidden: list[Any], depth: int) -> tuple[Any] | None:
    """The schemas in a schema."""
    if key in _INSIDE and type(value) is dict:
        inner = outline("", value, hidden, depth + 1)
        return None if inner is None else (inner,)
    if key in _MANY and type(value) is list:
        found = [outline("", each, hidden, depth + 1) if type(each) is dict else None for each in value]
        return None if None in found else (found,)
    if key == "properties" and type(value) is dict:
        members = {
            name: outline(name, each, hidden, depth + 1) if type(each) is dict else None
            for name, each in value.items()
        }
        return None if None in members.values() else (members,)
    return None
