from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from spantap.export.memory import MemorySink
from spantap.model import ConfigurationError
from spantap.settings import Settings, load


def problems(keywords: dict[str, Any], environ: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        load(keywords, environ or {})
    return {problem.setting: str(problem) for problem in caught.value.problems}


def test_defaults() -> None:
    """Nothing given: the cautious newcomer's settings."""
    settings = load({}, {})

    assert settings == Settings()
    assert settings.body_limit == 16 * 1024


def test_keywords_win_over_the_environment() -> None:
    """What code says counts more than what the environment says."""
    environ = {"OTEL_PYTHON_SPANTAP_PRESET": "full", "OTEL_PYTHON_SPANTAP_QUERY": "no"}

    settings = load({"preset": "portable"}, environ)

    assert settings.preset == "portable"
    assert settings.query is False


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BODY_MAX_BYTES", " 512 ", 512),
        ("PRESET", "Metadata", "metadata"),
        ("REQUEST_BODIES", "off", False),
        ("RESPONSE_BODIES", "1", True),
        ("EXCLUDE_URLS", "/a/*, re:^/b/\\d+$ ,", ("/a/*", "re:^/b/\\d+$")),
        ("CAPTURE_UNSAMPLED", "ALL", "all"),
        ("REDACT_KEYS", "tribe,favourite_color", ("tribe", "favourite_color")),
        ("QUEUE_MAX_ITEMS", "5", 5),
        ("PRESET", "  ", "default"),
    ],
)
def test_environment_values(name: str, value: str, expected: object) -> None:
    """Values from the environment are read as people write them; an empty one means not set."""
    assert getattr(load({}, {f"OTEL_PYTHON_SPANTAP_{name}": value}), name.lower()) == expected


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    """All mistakes are listed together, each with setting, value and what is allowed."""
    environ = {
        "OTEL_PYTHON_SPANTAP_BODY_MAX_BYTE": "1",
        "OTEL_PYTHON_SPANTAP_QUEUE_MAX_ITEMS": "many",
        "OTEL_PYTHON_SPANTAP_EXCLUDE_URLS": "re:(",
        "OTEL_PYTHON_SPANTAP_HEADERS": "maybe",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon",
        "UNRELATED": "x",
    }

    found = problems(
        {
            "preset": "ful",
            "sqlite_path": tmp_path / "missing" / "x.db",
            "tracer_provider": 3,
            "colour": "red",
        },
        environ,
    )

    assert set(found) == {
        "OTEL_PYTHON_SPANTAP_BODY_MAX_BYTE",
        "OTEL_PYTHON_SPANTAP_QUEUE_MAX_ITEMS",
        "OTEL_PYTHON_SPANTAP_EXCLUDE_URLS",
        "OTEL_PYTHON_SPANTAP_HEADERS",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "preset",
        "sqlite_path",
        "tracer_provider",
        "colour",
    }
    assert "did you mean OTEL_PYTHON_SPANTAP_BODY_MAX_BYTES?" in found["OTEL_PYTHON_SPANTAP_BODY_MAX_BYTE"]
    assert "'many'" in found["OTEL_PYTHON_SPANTAP_QUEUE_MAX_ITEMS"]
    assert "whole number from 1" in found["OTEL_PYTHON_SPANTAP_QUEUE_MAX_ITEMS"]
    assert "missing )" in found["OTEL_PYTHON_SPANTAP_EXCLUDE_URLS"]
    assert "did you mean full?" in found["preset"]
    assert "does not exist; create it first" in found["sqlite_path"]
    assert "http/protobuf, grpc" in found["OTEL_EXPORTER_OTLP_PROTOCOL"]
    assert "unknown setting" in found["colour"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; run the tests as another user")
def test_unwritable_directory(tmp_path: Path) -> None:
    """A store path that cannot be written is refused at start-up."""
    tmp_path.chmod(0o500)

    assert "not writable" in problems({"jsonl_path": tmp_path / "x.jsonl"})["jsonl_path"]


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    """A directory given as a store is refused by name."""
    assert "is a directory" in problems({"sqlite_path": tmp_path})["sqlite_path"]


def test_destinations_must_be_sinks() -> None:
    """Something that cannot be written to is no destination."""
    assert "write()" in problems({"destinations": ["sqlite"]})["destinations"]
    assert len(load({"destinations": MemorySink()}, {}).destinations) == 1


def test_what_needs_an_object_is_not_read_from_the_environment() -> None:
    """A setting that takes objects cannot be given in the environment."""
    variable = "OTEL_PYTHON_SPANTAP_DESTINATIONS"

    assert "give it in code" in problems({}, {variable: "x"})[variable]


def test_nothing_alike_is_not_suggested() -> None:
    """The prefix all variables share does not make a stranger look like one of them."""
    variable = "OTEL_PYTHON_SPANTAP_COLOUR"

    assert problems({}, {variable: "x"})[variable] == f"{variable} = ***: unknown setting"
