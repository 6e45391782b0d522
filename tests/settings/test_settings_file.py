from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spantap
from asgi_client import call, responding, scope
from spantap.export.jsonl import JSONLSink
from spantap.export.sqlite import SQLiteSink
from spantap.settings import Settings, read

NAMED = "OTEL_PYTHON_SPANTAP_CONFIG_FILE"


def mistakes(directory: Path, environ: dict[str, str] | None = None, **keywords: Any) -> dict[str, str]:
    with pytest.raises(spantap.ConfigurationError) as caught:
        read(keywords, environ or {}, directory)
    return {problem.setting: str(problem) for problem in caught.value.problems}


def sources(directory: Path, environ: dict[str, str] | None = None, **keywords: Any) -> dict[str, str]:
    return {row.name: row.source for row in read(keywords, environ or {}, directory).rows()}


def test_the_file_gives_what_nobody_else_gives(tmp_path: Path) -> None:
    """Keyword arguments win over the environment, the environment over the file, the file over defaults."""
    file = tmp_path / "spantap.toml"
    file.write_text('preset = "full"\nquery = false\nbody_max_bytes = 5\nexclude_urls = ["/a", "/b,c"]\n')
    environ = {"OTEL_PYTHON_SPANTAP_QUERY": "true", "OTEL_PYTHON_SPANTAP_BODY_MAX_BYTES": "6"}

    loaded = read({"body_max_bytes": 7}, environ, tmp_path)

    assert loaded.settings == Settings(
        preset="full", query=True, body_max_bytes=7, exclude_urls=("/a", "/b,c")
    )
    told = {row.name: (row.value, row.source) for row in loaded.rows()}
    assert told["body_max_bytes"] == (7, "keyword")
    assert told["query"] == (True, "environment (OTEL_PYTHON_SPANTAP_QUERY)")
    assert told["preset"] == ("full", f"file ({file})")
    assert told["headers"] == (True, "default")
    assert told.keys() == Settings.__dataclass_fields__.keys()


def test_pyproject_will_do(tmp_path: Path) -> None:
    """[tool.spantap] in pyproject.toml is read when there is no spantap.toml, and hidden when there is."""
    (tmp_path / "pyproject.toml").write_text('[tool.spantap]\npreset = "full"\nquery = false\n')

    assert read({}, {}, tmp_path).settings == Settings(preset="full", query=False)

    (tmp_path / "spantap.toml").write_text('preset = "portable"\n')
    assert read({}, {}, tmp_path).settings == Settings(preset="portable")


@pytest.mark.parametrize("content", ["not TOML [", "", '[project]\nname = "spantap-x"', "tool = 3 # spantap"])
def test_a_pyproject_that_is_not_about_us(tmp_path: Path, content: str) -> None:
    """Somebody's pyproject.toml without our section is none of our business, well-formed or not."""
    (tmp_path / "pyproject.toml").write_text(content)

    assert read({}, {}, tmp_path).settings == Settings()


def test_a_file_can_be_named(tmp_path: Path) -> None:
    """CONFIG_FILE names the file instead of those in the working directory, also a pyproject.toml."""
    (tmp_path / "spantap.toml").write_text('preset = "portable"\n')
    other = tmp_path / "other"
    other.mkdir()
    (other / "capture.toml").write_text('preset = "full"\n')
    (other / "pyproject.toml").write_text('[tool.spantap]\npreset = "metadata"\n')

    by_environment = read({}, {NAMED: str(other / "capture.toml")}, tmp_path)
    by_keyword = read({"config_file": other / "pyproject.toml"}, {NAMED: "/nowhere.toml"}, tmp_path)

    assert by_environment.settings.preset == "full"
    assert by_environment.sources["preset"] == f"file ({other / 'capture.toml'})"
    assert by_keyword.settings.preset == "metadata"
    assert by_keyword.sources["config_file"] == "keyword"


def test_every_mistake_in_the_file_is_reported_with_the_others(tmp_path: Path) -> None:
    """Unknown keys, wrong types and values are told at once, with their file; unknown values stay unseen."""
    file = tmp_path / "spantap.toml"
    file.write_text(
        'preset = "ful"\nbody_max_bytes = 1.5\nheaders = []\nsqlite_path = 3\nexclude_urls = [1]\n'
        'PRESETT = "s3cret-1"\napi_key = "s3cret-2"\ntracer_provider = "s3cret-3"\nconfig_file = "x.toml"\n'
        "queue_max_items = true\n"
    )

    found = mistakes(
        tmp_path,
        {"OTEL_PYTHON_SPANTAP_QUERY": "maybe", "OTEL_PYTHON_SPANTAP_APIKEY": "s3cret-4"},
        jsonl_path=tmp_path,
    )

    remedies = {name.removesuffix(f" in {file}"): text for name, text in found.items()}
    assert set(remedies) == {
        "preset", "body_max_bytes", "headers", "sqlite_path", "exclude_urls", "PRESETT", "api_key",
        "tracer_provider", "config_file", "queue_max_items", "OTEL_PYTHON_SPANTAP_QUERY",
        "OTEL_PYTHON_SPANTAP_APIKEY", "jsonl_path",
    }  # fmt: skip
    assert f"preset in {file} = 'ful': use one of" in remedies["preset"]
    assert "did you mean full?" in remedies["preset"]
    assert "1.5: use a whole number" in remedies["body_max_bytes"]
    assert "use true or false" in remedies["headers"]
    assert "use the path of a file" in remedies["sqlite_path"]
    assert "list" in remedies["exclude_urls"]
    assert "unknown setting; did you mean preset?" in remedies["PRESETT"]
    assert "give it in code" in remedies["tracer_provider"]
    assert "cannot name another" in remedies["config_file"]
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("spantap.toml", b"preset = full", "is not valid TOML: Invalid value (at line 1, column 10)"),
        ("spantap.toml", b'preset = "\xff"', "is not UTF-8 text"),
        ("pyproject.toml", b"[tool.spantap", "is not valid TOML"),
        ("pyproject.toml", b"[tool]\nspantap = 3", "write [tool.spantap]"),
        ("spantap.toml", None, "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, name: str, content: bytes | None, told: str) -> None:
    """A broken file is one clear error with its path and what is wrong, beside the other mistakes."""
    file = tmp_path / name
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    found = mistakes(tmp_path, preset="huge")

    assert set(found) == {"settings file", "preset"}
    assert found["settings file"].startswith(f"settings file = '{file}': ")
    assert told in found["settings file"]


@pytest.mark.parametrize(
    ("name", "told"),
    [("missing.toml", "does not exist"), ("pyproject.toml", "has no section [tool.spantap]")],
)
def test_a_named_file_has_to_be_there(tmp_path: Path, name: str, told: str) -> None:
    """A named file that is missing or says nothing is an error; what lies in the directory is not read."""
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    (tmp_path / "spantap.toml").write_text("nonsense")

    found = mistakes(tmp_path, {NAMED: str(tmp_path / name)})

    assert list(found) == [NAMED]
    assert told in found[NAMED]
    assert mistakes(tmp_path, config_file=3) == {"config_file": "config_file = 3: use the path of a file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything; run the tests as another user")
def test_an_unreadable_file(tmp_path: Path) -> None:
    """A file this user may not read is an error, since what it says to redact is not known."""
    (tmp_path / "spantap.toml").touch(0o000)

    assert "cannot be read: Permission denied" in mistakes(tmp_path)["settings file"]


def test_paths_in_the_file_start_at_the_file(tmp_path: Path) -> None:
    """A relative path is relative to the file that holds it, wherever the process runs."""
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "capture.toml"
    file.write_text('sqlite_path = "../here.db"\njsonl_path = "~/there.jsonl"\n')

    settings = read({"config_file": file}, {}, tmp_path).settings

    assert settings.sqlite_path is not None
    assert settings.sqlite_path.resolve() == tmp_path / "here.db"
    assert settings.jsonl_path == Path.home() / "there.jsonl"


def serve_one(directory: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> spantap.Handle:
    """Configure in a directory, answer one request, deliver."""
    monkeypatch.chdir(directory)
    handle = spantap.configure(tracer_provider=TracerProvider(shutdown_on_exit=False), **settings)
    try:
        app = spantap.instrument_app(responding(b'{"b":2}'))
        call(app, scope("POST", "/a", [("content-type", "application/json")]), b'{"a":1}')
        assert handle.flush(10)
    finally:
        handle.shutdown(5)
    return handle


def test_a_process_is_set_up_by_the_file_where_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`configure` reads the file in the working directory; the handle tells what came from it."""
    (tmp_path / "spantap.toml").write_text('jsonl_path = "kept.jsonl"\nrequest_bodies = false\n')

    handle = serve_one(tmp_path, monkeypatch)

    (exchange,) = JSONLSink(tmp_path / "kept.jsonl").read()
    assert (exchange.request.body.content, exchange.response.body.content) == (None, '{"b":2}')
    assert handle.loaded.sources["jsonl_path"] == f"file ({tmp_path / 'spantap.toml'})"
    assert handle.settings is handle.loaded.settings
    assert not (tmp_path / "spantap.db").exists()


@pytest.mark.setting("config_file")
def test_a_process_is_set_up_by_the_file_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONFIG_FILE makes `configure` read that file, and not the one in the working directory."""
    (tmp_path / "spantap.toml").write_text('jsonl_path = "found.jsonl"\n')
    (tmp_path / "named.toml").write_text('jsonl_path = "named.jsonl"\n')

    serve_one(tmp_path, monkeypatch, config_file="named.toml")

    assert [each.name for each in tmp_path.glob("*.jsonl")] == ["named.jsonl"]


def test_a_process_that_starts_elsewhere_does_not_find_it(tmp_path: Path) -> None:
    """The file is not looked for in parent directories."""
    (tmp_path / "spantap.toml").write_text("nonsense")
    (tmp_path / "below").mkdir()

    assert set(sources(tmp_path / "below").values()) == {"default"}


def test_a_store_listed_by_name_goes_where_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_TRACES_EXPORTER=spantap_sqlite and a sqlite_path in the file are one store."""
    (tmp_path / "spantap.toml").write_text('sqlite_path = "here.db"\n')
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "spantap_sqlite")

    serve_one(tmp_path, monkeypatch)

    assert [each.name for each in tmp_path.glob("*.db")] == ["here.db"]
    assert len(SQLiteSink(tmp_path / "here.db").read()) == 1
