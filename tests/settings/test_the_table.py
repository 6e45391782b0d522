"""The table of settings, its page, and the tests that see each row at work."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from spantap import settings_page
from spantap.settings import PREFIX, Settings

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
ROWS = {each.name for each in fields(Settings)}
LISTED = {name for names, _ in settings_page.STANDARD for name in names}


def marked() -> Iterator[tuple[str, str]]:
    """Setting and test, for every ``@pytest.mark.setting("...")`` on a test."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                continue
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.setting":
                    for name in decorator.args:
                        yield ast.literal_eval(name), node.name


def test_every_setting_is_seen_at_work() -> None:
    """Each row has a test that changes something a user would see; mark it to say which."""
    assert {name for name, _ in marked()} == ROWS


def test_the_page_is_made_from_the_table() -> None:
    """docs/settings.md is what `make docs` writes."""
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page.page()


def test_what_we_read_is_on_the_page() -> None:
    """Every standard variable named in the source is in the table of those that have an effect."""
    named: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        if path.stem != "settings_page":
            named.update(re.findall(r"\bOTEL_[A-Z_]+[A-Z]\b", path.read_text()))
    ours = {name for name in named if name.startswith(PREFIX.rstrip("_"))}
    for_traces = {name for name in named if "_OTLP_TRACES" in name}  # the page says they go first

    assert named - ours - for_traces - LISTED == set()


def test_what_is_on_the_page_is_tested() -> None:
    """No effect is claimed of a standard variable that no test sets."""
    tests = "".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    framework = re.compile("OTEL_PYTHON_[A-Z0-9_]+_EXCLUDED_URLS")  # set by a parameter

    assert {name for name in LISTED if name not in tests and not framework.fullmatch(name)} == set()
