from __future__ import annotations

from pathlib import Path

import pytest
from noidlb.role import Role, cuts_flows, read_role


@pytest.mark.parametrize("role", [Role.MASTER, Role.BACKUP, Role.FAULT])
def test_reads_what_the_script_wrote(tmp_path: Path, role: Role) -> None:
    (tmp_path / "role").write_text(f"{role.value}\n")
    assert read_role(tmp_path) is role


def test_without_a_file_there_is_no_pair(tmp_path: Path) -> None:
    assert read_role(tmp_path) is Role.ALONE


@pytest.mark.parametrize("text", ["", "leader\n", "master\nbackup\n", "m" * 1000, "\xff"])
def test_what_nobody_can_read_is_a_fault(tmp_path: Path, text: str) -> None:
    (tmp_path / "role").write_text(text, encoding="latin-1")
    assert read_role(tmp_path) is Role.FAULT


def test_only_who_serves_cuts() -> None:
    assert {role for role in Role if cuts_flows(role)} == {Role.ALONE, Role.MASTER}
