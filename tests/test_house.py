"""The house rules no other tool checks."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "spantap"


def imports(path: Path) -> set[str]:
    """Every module a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def test_only_the_otel_room_imports_the_sdk() -> None:
    """The SDK can change without any other room noticing; the distro subclasses its configurator."""
    trespassers = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in ("otel", "distro.py")
        and any(name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")) for name in imports(path))
    ]

    assert trespassers == []


def test_a_door_imports_its_own_framework_only() -> None:
    """A door works when no other framework is installed."""
    frameworks = {"starlette", "fastapi", "flask", "django"}
    for path in (PACKAGE / "inbound").glob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert roots & frameworks <= {path.stem}, path


def test_modules_stay_small() -> None:
    """No file grows into a room of its own."""
    lengths = {str(path): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}

    assert not {path: length for path, length in lengths.items() if length > 400}
    assert sorted(lengths.values())[len(lengths) // 2] < 150


def test_no_names_that_say_nothing() -> None:
    """No utils, no helpers, no manager."""
    banned = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"}

    assert not [path for path in PACKAGE.rglob("*") if path.stem in banned]
