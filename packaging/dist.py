"""Builds the source distribution and the wheel for a package index, with links that lead somewhere from there.

    python packaging/dist.py https://example.org/project/noidchecks

The page of an index is README.md, whose relative links lead nowhere there. The address of the repository, which is
given here and nowhere else, makes them absolute and becomes the project's links. The distributions are in dist/
afterwards, checked by twine, check-wheel-contents and pyroma where they are installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)\s]+)(\))")
# noidlb lies beside noidchecks in the wheel on purpose.
CHECKS = (
    ("twine", ["check", "--strict"], "*"),
    ("check_wheel_contents", ["--ignore", "W009"], "*.whl"),
    ("pyroma", ["-n", "8"], "*.tar.gz"),
)


def absolute(page: str, repository: str, version: str) -> str:
    """Returns the page with its relative links below the version's tag in the repository."""
    return _LINK.sub(rf"\g<1>{repository}/blob/v{version}/\g<2>\g<3>", page)


def with_links(project: str, repository: str, version: str) -> str:
    """Returns pyproject.toml with the links that an index shows."""
    places = {
        "Homepage": repository,
        "Documentation": f"{repository}/tree/v{version}/docs",
        "Source": repository,
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/v{version}/CHANGELOG.md",
    }
    table = "".join(f'{name} = "{place}"\n' for name, place in places.items())
    return project.replace("[project.scripts]\n", f"[project.urls]\n{table}\n[project.scripts]\n", 1)


def main(repository: str) -> int:
    """Builds and checks; returns the exit code."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = tomllib.loads(project)["project"]["version"]
    out = ROOT / "dist"
    with tempfile.TemporaryDirectory() as folder:
        # What the source distribution holds is the whole source, and nothing that only lies about.
        _hatch(ROOT, Path(folder), "sdist")
        (packed,) = Path(folder).glob("*.tar.gz")
        shutil.unpack_archive(packed, folder, filter="data")
        tree = Path(folder, packed.name.removesuffix(".tar.gz"))
        (tree / "pyproject.toml").write_text(with_links(project, repository, version), encoding="utf-8")
        page = (tree / "README.md").read_text(encoding="utf-8")
        (tree / "README.md").write_text(absolute(page, repository, version), encoding="utf-8")
        (tree / "PKG-INFO").unlink()
        for target in ("sdist", "wheel"):
            _hatch(tree, out, target)
    codes = [_check(*check, out, version) for check in CHECKS]
    return max(codes)


def _hatch(tree: Path, out: Path, target: str) -> None:
    words = [sys.executable, "-P", "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(words, cwd=tree, check=True)  # noqa: S603  # the words are our own


def _check(module: str, words: list[str], pattern: str, out: Path, version: str) -> int:
    if find_spec(module) is None:
        print(f"{module}: not installed, left out")
        return 0
    files = [str(path) for path in sorted(out.glob(f"noidchecks-{version}{pattern}"))]
    return max(subprocess.run([sys.executable, "-m", module, *words, file]).returncode for file in files)  # noqa: S603  # as above


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].startswith("https://"):
        sys.exit("usage: python packaging/dist.py https://ADDRESS-OF-THE-REPOSITORY")
    sys.exit(main(sys.argv[1].rstrip("/")))
