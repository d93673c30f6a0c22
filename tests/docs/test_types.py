"""The examples in Python are what mypy --strict and pyright take as a user's own files, with the package installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.docs_blocks import PAGES, blocks_of

EXAMPLES = [block for page in PAGES for block in blocks_of(page) if block.language == "python"]
# One process for all examples: most of its time goes into reading the package.
PATIENCE = 600

SETTINGS = {
    "typeCheckingMode": "strict",
    # That of pyright; basedpyright asks for more by default.
    "reportMissingTypeStubs": False,
    "pythonVersion": "3.11",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a user: each example is a file, and nothing of the checkout is there."""
    folder = tmp_path_factory.mktemp("project")
    assert len(EXAMPLES) > 5
    for block in EXAMPLES:
        name = f"{block.page.stem.replace('-', '_')}_{block.line}.py"
        (folder / name).write_text("\n".join((*block.lines, "")))
    return folder


def test_mypy_takes_the_examples(project: Path) -> None:
    done = run("mypy", "--strict", "--no-error-summary", "--config-file=", ".", folder=project)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_pyright_takes_the_examples(project: Path) -> None:
    (project / "pyrightconfig.json").write_text(json.dumps(SETTINGS))
    done = run("basedpyright", "--pythonpath", sys.executable, "--outputjson", folder=project)
    report = json.loads(done.stdout)
    found = [
        f"{Path(one['file']).name}:{one['range']['start']['line'] + 1}: {one['message']}"
        for one in report["generalDiagnostics"]
        if one["severity"] == "error"
    ]
    assert found == []
    assert report["summary"]["filesAnalyzed"] == len(EXAMPLES)


def run(tool: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-P", "-m", tool, *words]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
