"""Schemas and messages of validators under sensitive names: they stay, and no secret does."""

from __future__ import annotations

import json

import pytest

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
M = "[REDACTED]"
C = "cAnArY7391x"

OPENAPI = {
    "openapi": "3.1.0",
    "paths": {
        "/token": {
            "post": {
                "summary": "Log in",
                "security": [{"api_key": []}],
                "responses": {"200": {"content": {"application/json": {"schema": {"type": "string"}}}}},
            }
        }
    },
    "components": {
        "schemas": {
            "Token": {
                "title": "Token",
                "type": "object",
                "required": ["access_token"],
                "properties": {
                    "access_token": {"type": "string", "title": "Access Token"},
                    "password": {"anyOf": [{"type": "string", "format": "password"}, {"type": "null"}]},
                    "tokens": {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/Token"},
                        "maxItems": 5,
                    },
                },
            },
        },
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "api_key": {"type": "apiKey", "in": "header"},
        },
    },
}


def clean(value: object) -> object:
    shown = REDACTOR.body(json.dumps(value), "application/json", Tally())
    assert shown is not None
    assert REDACTOR.body(shown, "application/json", Tally()) == shown
    return json.loads(shown)


def test_an_openapi_document_is_shown() -> None:
    """What FastAPI serves is no secret."""
    assert clean(OPENAPI) == OPENAPI


def test_texts_in_a_schema_are_masked() -> None:
    """A default, an example and a description may hold the secret; what surrounds them stays."""
    schema = {"type": "string", "default": C, "example": C, "description": f"such as {C}", "minLength": 8}
    shown = {"type": "string", "default": M, "example": M, "description": M, "minLength": 8}
    assert clean({"password": schema}) == {"password": shown}
    tally = Tally()
    REDACTOR.body(json.dumps({"password": schema}), "application/json", tally)
    assert (tally.counts, tally.secrets) == ({"key": 1}, {C, f"such as {C}"})


@pytest.mark.parametrize(
    "value",
    [
        {"type": C},
        {"type": "text", "value": C},
        {"type": "string", "value": C},
        {"type": "string", "format": C},
        {"type": "string", "maxLength": 12345678},
        {"type": "string", "in": C},
        {"type": "string", "title": C, "x": 1},
        {"type": ["string", C]},
        {"type": "string", "enum": [C]},
        {"type": "string", "$ref": f"#/{C}"},
        {"$ref": C},
        {"$ref": f"#/components/schemas/{C}"},
        {"anyOf": [{"type": "string"}, C]},
        {"anyOf": [{"type": "string", "x": C}]},
        {"type": "object", "properties": {"a": C}},
        {"type": "object", "required": [C]},
        {"type": "object", "required": [C], "properties": {"a": {"type": "string"}}},
        {"type": "array", "items": {"x": C}},
        {"type": "object", "additionalProperties": C},
        {"post": {"responses": {}, "a": C}},
        {"type": []},
        {"type": "string", "readOnly": C},
    ],
)
def test_what_is_no_schema_is_masked(value: object) -> None:
    """One member that no schema has, or one word that is none of its own, is enough."""
    assert clean({"password": value}) == {"password": M}


@pytest.mark.parametrize(
    "message",
    [
        ["This field is required."],
        "This field may not be blank.",
        [
            "This password is too short. It must contain at least 8 characters.",
            "This password is too common.",
        ],
        ["Ensure this field has at least 8 characters."],
        ["Field must be between 8 and 64 characters long."],
        ["Missing data for required field."],
        "String should have at least 8 characters",
        "Field required",
    ],
)
def test_a_message_of_a_validator_is_shown(message: object) -> None:
    """Those of the frameworks, to the letter."""
    assert clean({"password": message, "errors": {"token": message}}) == {
        "password": message,
        "errors": {"token": message},
    }


@pytest.mark.parametrize(
    "value",
    [
        [f"{C} is too short."],
        ["This field is required.", C],
        f"This field is required. {C}",
        "Ensure this field has at least 12345678 characters.",
        "correct horse battery staple",
        ["This field is required.", 1234],
    ],
)
def test_any_other_text_is_masked(value: object) -> None:
    """Who repeats the value says something else."""
    assert clean({"password": value}) == {"password": M}


def test_questions_stay_and_answers_go() -> None:
    """Whatever its type, a value under a sensitive name is masked; a question about one has another name."""
    value = {"password": True, "pin": 0, "token": None, "has_password": True, "two_factor_enabled": False}
    shown = {"password": M, "pin": M, "token": None, "has_password": True, "two_factor_enabled": False}
    assert clean(value) == shown
