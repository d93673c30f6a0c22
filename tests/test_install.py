"""Plugins are linked by name, and what is not ours stays as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from noidchecks import install
from noidchecks.cli import main
from noidchecks.errors import UsageError
from noidchecks.plugin.plugin import PLUGINS
from noidchecks.status.state import State

ROOT = Path(__file__).parents[1]
PROGRAMS = {name: ROOT / "nagios" / "plugins" / name for name in PLUGINS}


class Said(list[str]):
    """What was said, line by line."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "plugins"
    made.mkdir()
    return made


@pytest.fixture(autouse=True)
def _open_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the checkout lies, these tests see it as open to all, and with a Python; two of them look themselves."""
    monkeypatch.setattr(install, "_hindrances", lambda program: ())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def other_installation(path: Path, name: str) -> Path:
    path.mkdir()
    program = path / name
    program.write_bytes(PROGRAMS[name].read_bytes())
    return program


@pytest.mark.parametrize("prefix", ["", "noid_"])
def test_every_plugin_is_linked_by_an_absolute_path(folder: Path, prefix: str) -> None:
    assert install.install(PROGRAMS, folder, Said(), prefix=prefix) is State.OK
    assert names(folder) == sorted(f"{prefix}{name}" for name in PLUGINS)
    for name, program in PROGRAMS.items():
        assert os.readlink(folder / f"{prefix}{name}") == str(program)


def test_once_more_changes_nothing(folder: Path) -> None:
    install.install(PROGRAMS, folder, Said())
    before = {path: path.lstat().st_ino for path in folder.iterdir()}
    said = Said()
    assert install.install(PROGRAMS, folder, said) is State.OK
    assert {path: path.lstat().st_ino for path in folder.iterdir()} == before
    assert all(line.endswith(" is there already") for line in said)


def test_a_link_of_another_installation_is_replaced(folder: Path, tmp_path: Path) -> None:
    other = other_installation(tmp_path / "other", "check_ftp")
    (folder / "check_ftp").symlink_to(other)
    assert install.install(PROGRAMS, folder, Said()) is State.OK
    assert os.readlink(folder / "check_ftp") == str(PROGRAMS["check_ftp"])
    assert names(folder) == sorted(PLUGINS), "nothing is left over"


@pytest.mark.parametrize("kind", ["file", "copy", "folder", "link", "dangling", "fifo", "loop"])
def test_what_is_not_ours_is_never_touched(folder: Path, tmp_path: Path, kind: str) -> None:
    path = folder / "check_ssh"
    match kind:
        case "file":
            path.write_text("#!/bin/sh\n")
        case "copy":
            path.write_bytes(PROGRAMS["check_ssh"].read_bytes())
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to("/bin/sh")
        case "dangling":
            path.symlink_to(tmp_path / "gone" / "check_ssh")
        case "fifo":
            target = tmp_path / "pipe"
            os.mkfifo(target)
            path.symlink_to(target)
        case "loop":
            path.symlink_to(path)
    before = path.lstat()
    said = Said()
    assert install.install(PROGRAMS, folder, said) is State.CRITICAL
    assert names(folder) == ["check_ssh"], "all or none"
    assert said == [
        f"{path} is no link to a plugin of noidchecks and stays as it is",
        "Nothing was linked: choose another folder, or another name with --prefix noid_",
    ]
    assert install.install(PROGRAMS, folder, Said(), prefix="noid_") is State.OK
    assert install.uninstall(PROGRAMS, folder, Said()) is State.OK
    assert path.lstat().st_ino == before.st_ino


def test_uninstall_removes_only_ours(folder: Path, tmp_path: Path) -> None:
    install.install(PROGRAMS, folder, Said())
    (folder / "check_ftp").unlink()
    (folder / "check_ftp").symlink_to(other_installation(tmp_path / "other", "check_ftp"))
    (folder / "check_http").symlink_to(PROGRAMS["check_ftp"])
    assert install.uninstall(PROGRAMS, folder, Said(), prefix="noid_") is State.OK
    assert len(names(folder)) == len(PLUGINS) + 1
    assert install.uninstall(PROGRAMS, folder, Said()) is State.OK
    assert names(folder) == ["check_http"]
    said = Said()
    assert install.uninstall(PROGRAMS, folder, said) is State.OK
    assert all(line.endswith(" is not there") for line in said)


@pytest.mark.parametrize("act", [install.install, install.uninstall])
def test_a_dry_run_changes_nothing(folder: Path, act: object) -> None:
    if act is install.uninstall:
        install.install(PROGRAMS, folder, Said())
    before = names(folder)
    said = Said()
    assert act(PROGRAMS, folder, said, dry_run=True) is State.OK  # type: ignore[operator]  # one of the two
    assert names(folder) == before
    assert all(" would " in line for line in said)


@pytest.mark.parametrize("prefix", ["a/", "../", "-x", "a\0"])
def test_a_prefix_stays_within_the_folder(folder: Path, prefix: str) -> None:
    with pytest.raises(UsageError, match="prefix"):
        install.install(PROGRAMS, folder, Said(), prefix=prefix)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        install.install(PROGRAMS, tmp_path / "absent", Said())
    with pytest.raises(UsageError, match="is not a folder"):
        install.uninstall(PROGRAMS, Path(__file__), Said())


def test_a_folder_that_cannot_be_written_is_told(folder: Path) -> None:
    # /proc is closed to root too.
    with pytest.raises(UsageError, match=r"Cannot change /proc/self/fdinfo/check_ftp: "):
        install.install(PROGRAMS, Path("/proc/self/fdinfo"), Said())


def test_a_place_that_others_cannot_enter_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    home = tmp_path / "home"
    program = other_installation(home, "check_ftp")
    program.chmod(0o755)
    home.chmod(0o700)
    said = Said()
    assert install.install({"check_ftp": program}, folder, said) is State.WARNING
    assert (folder / "check_ftp").is_file()
    assert f"{home} is closed to other users: the monitoring server may not be able to run the plugins" in said


def test_a_python_whose_path_has_a_space_is_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    program = other_installation(tmp_path / "with space", "check_ftp")
    program.chmod(0o755)
    # The last is how Debian 13 writes it.
    for interpreter, told in ((f"{tmp_path}/with space/python", True), (sys.executable, False), (" /bin/sh", False)):
        program.write_text(program.read_text().replace("#!python", f"#!{interpreter}"))
        said = Said()
        install.install({"check_ftp": program}, folder, said)
        line = f"{program} cannot be run: the path of its Python has a space, or is gone ({tmp_path}/with is not there)"
        assert [one for one in said if "cannot be run" in one] == [line] * told
        program.write_bytes(PROGRAMS["check_ftp"].read_bytes())


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


def test_a_relative_folder_is_understood(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "executables", lambda: PROGRAMS)
    monkeypatch.chdir(folder.parent)
    assert run("install-plugins", "--prefix", "noid_", folder.name) == 0
    assert names(folder) == sorted(f"noid_{name}" for name in PLUGINS)
    assert run("install-plugins", "--prefix", "noid_", "--uninstall", folder.name) == 0
    assert names(folder) == []


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("install-plugins") == 3
    assert capsys.readouterr().out.startswith("noidchecks: Missing argument 'DIR'")


@pytest.mark.skipif(not sys.flags.safe_path, reason="started without -P, to test the checkout")
def test_the_installed_plugins_are_linked_and_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("install-plugins", "--prefix", "noid_", str(folder)) == 0
    for name in PLUGINS:
        done = subprocess.run([folder / f"noid_{name}", "-V"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.split()[0]) == (3, name)
    capsys.readouterr()
    assert run("definitions") == 0
    place = Path(capsys.readouterr().out.rstrip("\n"))
    for path in (ROOT / "nagios").rglob("*.c*f*"):
        assert (place / path.relative_to(ROOT / "nagios")).read_bytes() == path.read_bytes()


DISTRIBUTED = "lib/python3/dist-packages"


def strip(prefix: Path, site: str, plugins: str) -> Path:
    """An installation below the prefix as a distribution makes it: without the list of its files."""
    packages = prefix / site
    source = Path(install.__file__).parent
    shutil.copytree(source, packages / "noidchecks", ignore=shutil.ignore_patterns("__pycache__"))
    (packages / "noidchecks-0.1.0.dist-info").mkdir()
    (packages / "noidchecks-0.1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: noidchecks\n")
    shutil.copytree(ROOT / "nagios", prefix / "share" / "noidchecks" / "nagios")
    shutil.copytree(ROOT / "nagios" / "plugins", prefix / plugins)
    return packages


def run_there(packages: Path, *words: str) -> tuple[int, str]:
    """The exit code and the output of noidchecks in that installation."""
    script = "import sys; sys.path.insert(0, sys.argv.pop(1)); from noidchecks.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(packages), *words], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("site", "plugins"), [(DISTRIBUTED, "lib/noidchecks/plugins"), (DISTRIBUTED, "bin"), (".", "bin")]
)
def test_an_installation_without_the_list_of_its_files_finds_them(
    site: str, plugins: str, tmp_path: Path, folder: Path
) -> None:
    prefix = tmp_path / "prefix"
    packages = strip(prefix, site, plugins)
    assert run_there(packages, "definitions") == (0, f"{prefix}/share/noidchecks/nagios\n")
    code, said = run_there(packages, "install-plugins", str(folder))
    assert code in (State.OK, State.WARNING), said
    for name in PLUGINS:
        assert os.readlink(folder / name) == f"{prefix}/{plugins}/{name}"


def test_another_program_of_the_name_is_no_plugin(tmp_path: Path, folder: Path) -> None:
    packages = strip(tmp_path / "prefix", DISTRIBUTED, "bin")
    (tmp_path / "prefix" / "bin" / "check_ftp").write_text("#!/bin/sh\n")
    code, said = run_there(packages, "install-plugins", str(folder))
    places = f"{packages}/bin/check_ftp, {packages}/lib/noidchecks/plugins/check_ftp, {tmp_path}/prefix/bin/check_ftp"
    assert code == State.UNKNOWN
    assert said.startswith(f"noidchecks: the plugin check_ftp of this installation cannot be found: not in {places}")
    assert names(folder) == []


def test_definitions_that_are_not_installed_are_told(tmp_path: Path) -> None:
    packages = strip(tmp_path / "prefix", DISTRIBUTED, "bin")
    shutil.rmtree(tmp_path / "prefix" / "share")
    code, said = run_there(packages, "definitions")
    assert code == State.UNKNOWN
    assert said.startswith("noidchecks: the definitions of this installation cannot be found: not in ")
