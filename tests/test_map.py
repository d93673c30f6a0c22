"""The map of the tests: each module has its file, and no test is a library of another."""

from __future__ import annotations

import ast
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
TESTS = sorted(
    path
    for folder in ("tests", "integration")
    for path in (CHECKOUT / folder).rglob("*.py")
    # What integration/prepare has unpacked.
    if ".cache" not in path.parts
)


def imported_by(path: Path) -> set[str]:
    """Returns the dotted names that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_test_imports_a_test() -> None:
    """What two tests need stands in tests/support, or beside the tests of integration/."""
    for path in TESTS:
        for name in imported_by(path):
            is_test = any(word.startswith("test_") for word in name.split(".")[:-1])
            assert not is_test, f"{path.relative_to(CHECKOUT)} imports {name}"
