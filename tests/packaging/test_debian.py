"""The skeleton of the Debian packages holds what the wheel holds, and its recipes still find what they change."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from email.utils import parsedate_to_datetime
from fnmatch import fnmatch
from pathlib import Path

import pytest

from docs.man import generate

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "packaging" / "debian"
PACKAGES = ("python3-noidchecks", "noidchecks", "noidlb")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def listed(name: str) -> list[str]:
    """The lines of a list of debhelper."""
    return (DEBIAN / name).read_text(encoding="utf-8").splitlines()


def installs(package: str) -> list[str]:
    """The patterns of what a package takes of that which the build has installed."""
    return [line for line in listed(f"{package}.install") if not line.startswith("docs/")]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source tree in which the recipes of debian/rules have run, with an empty file for each one of pip's part."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    top = tmp_path_factory.mktemp("debian")
    shutil.copytree(DEBIAN, top / "debian")
    for name in ("nagios", "lb", "packaging/share"):
        shutil.copytree(ROOT / name, top / name)
    shutil.copy(ROOT / "pyproject.toml", top)
    for name in ("bin/noidchecks", "bin/noidlb", "bin/check_ftp", *(f"{site}/__init__.py" for site in SITE)):
        path = top / "debian" / "tmp" / "usr" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    targets = ["execute_after_dh_auto_install", "execute_before_dh_installsystemd"]
    done = subprocess.run(
        ["make", "-f", "debian/rules", *targets], cwd=top, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return top


SITE = tuple(f"lib/python3/dist-packages/{name}" for name in ("noidchecks", "noidlb", "noidchecks-0.1.0.dist-info"))


def test_version_and_date_are_those_of_the_package() -> None:
    text = (DEBIAN / "changelog").read_text(encoding="utf-8")
    assert re.match(r"noidchecks \(([^)]+)-\d+\) ", text).group(1) == PROJECT["project"]["version"]  # type: ignore[union-attr]  # a test fails either way
    assert parsedate_to_datetime(re.findall(r"^ -- .*>  (.*)$", text, re.M)[0]).date().isoformat() == generate.date()


def test_each_file_of_the_wheel_is_in_one_package_or_left_out_on_purpose(tree: Path) -> None:
    stage = tree / "debian" / "tmp"
    patterns = [pattern for name in PACKAGES for pattern in installs(name)]
    files = [str(path.relative_to(stage)) for path in stage.rglob("*") if path.is_file()]
    for file in files:
        places = (file, *map(str, Path(file).parents))
        found = [pattern for pattern in patterns if any(fnmatch(place, pattern) for place in places)]
        assert len(found) == 1, file
    for pattern in patterns:
        assert [path for path in stage.rglob("*") if fnmatch(str(path.relative_to(stage)), pattern)], pattern
    for target in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"].values():
        assert "/systemd" in target or any(file.startswith(f"usr/{target}") for file in files), target


def test_the_plugins_are_run_by_the_interpreter_of_the_system(tree: Path) -> None:
    for plugin in (ROOT / "nagios" / "plugins").iterdir():
        installed = tree / "debian" / "tmp" / "usr" / "lib" / "noidchecks" / "plugins" / plugin.name
        assert installed.read_text().splitlines()[0] == "#!/usr/bin/python3"
        assert installed.stat().st_mode & 0o111 == 0o111
    targets = [line.split()[0].rpartition("/")[2] for line in listed("noidchecks.links") if "nagios/plugins" in line]
    assert sorted(targets) == sorted(path.name for path in (ROOT / "nagios" / "plugins").iterdir())


def test_no_link_has_the_name_of_a_file_of_monitoring_plugins() -> None:
    names = [line.split()[1] for line in listed("noidchecks.links")]
    assert not {"usr/lib/nagios/plugins/check_ftp", "usr/lib/nagios/plugins/check_ssh"} & set(names)


def test_the_units_start_nothing_before_there_is_a_configuration(tree: Path) -> None:
    guard = (tree / "debian" / "noidlb.noidlb-guard.service").read_text()
    assert "\nExecStart=/usr/bin/noidlb guard /etc/noidlb/farms.toml\n" in guard
    assert (
        "[Unit]\nDocumentation=man:noidlb(8) man:farms.toml(5)\nConditionPathExists=/etc/noidlb/farms.toml\n" in guard
    )
    assert "/opt/" not in guard
    for name, file in (("survey", "survey.env"), ("exporter", "exporter.toml")):
        unit = (tree / "debian" / f"noidchecks.noidchecks-{name}.service").read_text()
        assert f"\nExecStart=/usr/bin/noidchecks {name} " in unit
        assert f"[Unit]\nConditionPathExists=/etc/noidchecks/{file}\n" in unit
        assert "/opt/" not in unit


def test_the_commands_of_nagios_and_icinga_have_paths(tree: Path) -> None:
    text = (tree / "debian" / "tmp" / "etc" / "nagios-plugins" / "config" / "noidchecks.cfg").read_text()
    lines = [line for line in text.splitlines() if "command_line" in line]
    assert not any("$USER5$" in line for line in lines)
    assert sum("/usr/lib/noidchecks/plugins/check_" in line for line in lines) >= 4
    folder = tree / "debian" / "tmp" / "usr" / "share" / "noidchecks" / "nagios" / "icinga2"
    assert (
        '\n\tglobals.NoidchecksDir = "/usr/lib/noidchecks/plugins"\n'
        in (folder / "noidchecks-plugins.conf").read_text()
    )


@pytest.mark.parametrize(
    "name",
    [
        *("deb", "deb-tools", "deb-build", "deb-try", "debian/tests/installed"),
        *("debian/noidlb.postrm", "debian/noidchecks.postrm"),
    ],
)
def test_a_script_is_one_of_sh(name: str) -> None:
    done = subprocess.run(["sh", "-n", str(ROOT / "packaging" / name)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
