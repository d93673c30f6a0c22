"""What `import noidlb` and the commands that serve no connections load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.loading import loaded_after

# A guardian needs these; a command that a person or a script waits for does not.
OF_A_GUARDIAN = {"asyncio", "ssl", "logging", "concurrent.futures", "paramiko"}
FARM = """\
[farms.ftp]
protocol = "ftp"
vip = "192.0.2.10"
backends = [{ name = "b1", address = "10.0.1.11" }]
guardian = { command = "check_ftp -H HOST -p PORT" }
"""


def test_importing_the_package_loads_no_other_module_of_it() -> None:
    assert {name for name in loaded_after("import noidlb") if name.startswith("noidlb")} == {"noidlb"}


@pytest.mark.parametrize("words", [["--version"], ["check"], ["show"], ["diff"], ["status"], ["drain"], ["apply"]])
def test_a_command_loads_nothing_of_a_guardian(words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "farms.toml"
    file.write_text(FARM)
    where = ["--state-dir", str(tmp_path / "state")]
    rest = {
        "check": [str(file)],
        "show": [str(file), *where],
        "diff": [str(file), *where],
        "apply": [str(file), *where],
        "status": ["--file", str(file), *where],
        "drain": ["ftp", "b1", "--file", str(file), *where],
    }
    command = [*words, *rest.get(words[0], [])]
    # Without nft they end when they need it, which is when they have loaded all that they use.
    loaded = loaded_after(
        "import os; os.environ['PATH'] = ''\n"
        "from noidlb.nft import run\nrun._SYSTEM_PATH = ''\n"
        f"from noidlb.cli import main\nmain._run({command!r})"
    )
    assert "noidlb.cli.main" in loaded
    assert loaded & OF_A_GUARDIAN == set()


def test_only_a_guardian_needs_them() -> None:
    assert OF_A_GUARDIAN - {"paramiko"} <= loaded_after("import noidlb.guardian.guardian")
