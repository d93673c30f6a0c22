"""Links the plugins into the plugin folder of a monitoring server, and removes the links."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from .atomic import draft_beside
from .errors import UsageError
from .plugin.plugin import PLUGINS
from .regular import open_regular
from .status.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Say = Callable[[str], None]

# A line that every plugin of noidchecks contains, in any installation.
_MARK = b"from noidchecks.plugin.main import main\n"
# Folders of plugins below an installation's prefix; a distribution keeps them out of PATH, because another package has
# the same names.
_PLUGIN_FOLDERS = ("bin", "lib/noidchecks/plugins")


def executables() -> dict[str, Path]:
    """Returns the path of each plugin in this installation; UsageError when one is not found."""
    listed = [path for path in _listed_files() if path.parent.name == "bin"]
    folders = [prefix / place for prefix in _prefixes() for place in _PLUGIN_FOLDERS]
    found = {}
    for name in PLUGINS:
        places = [*(path for path in listed if path.name == name), *(folder / name for folder in folders)]
        found[name] = _first(places, _is_plugin, f"the plugin {name}")
    return found


def definitions() -> Path:
    """Returns the folder of the definitions for Nagios and Icinga 2; UsageError when they are not installed."""
    listed = [path.parent for path in _listed_files() if path.parts[-3:] == ("noidchecks", "nagios", "commands.cfg")]
    places = [*listed, *(prefix / "share" / "noidchecks" / "nagios" for prefix in _prefixes())]
    return _first(places, lambda folder: (folder / "commands.cfg").is_file(), "the definitions")


def install(programs: Mapping[str, Path], folder: Path, say: Say, *, prefix: str = "", dry_run: bool = False) -> State:
    """Links each program into the folder; the link's name is the prefix and the program's name.

    All or none: a file that is not ours stays what it is, and then nothing is linked (CRITICAL). A link of ours, from
    whichever installation, is replaced. WARNING when the links are there and what they lead to cannot be run by others,
    or at all.
    UsageError.
    """
    links = _links(programs, folder, prefix)
    foreign = [link for link in links if os.path.lexists(link) and not is_ours(link)]
    if foreign:
        for link in foreign:
            say(f"{link} is no link to a plugin of noidchecks and stays as it is")
        say("Nothing was linked: choose another folder, or another name with --prefix noid_")
        return State.CRITICAL
    for link, program in links.items():
        if link.is_symlink() and os.readlink(link) == str(program):
            say(f"{link} is there already")
            continue
        if not dry_run:
            _link(link, program)
        say(f"{link} {'would lead' if dry_run else 'leads'} to {program}")
    hindrances = sorted({line for program in links.values() for line in _hindrances(program)})
    for line in hindrances:
        say(line)
    return State.WARNING if hindrances else State.OK


def uninstall(
    programs: Mapping[str, Path], folder: Path, say: Say, *, prefix: str = "", dry_run: bool = False
) -> State:
    """Removes links with the names of install() to plugins of any installation, nothing else; raises UsageError."""
    for link in _links(programs, folder, prefix):
        if not os.path.lexists(link):
            say(f"{link} is not there")
        elif not is_ours(link):
            say(f"{link} is no link to a plugin of noidchecks and stays as it is")
        else:
            if not dry_run:
                _change(link.unlink, link)
            say(f"{link} {'would be' if dry_run else 'is'} removed")
    return State.OK


def is_ours(link: Path) -> bool:
    """Tells whether the path is a symbolic link to a plugin of this or another installation of noidchecks.

    A copy does not count, because it may have been changed, nor does a dangling link, whose target is unknown.
    """
    try:
        return link.is_symlink() and _is_plugin(link)
    except OSError:
        return False


def _links(programs: Mapping[str, Path], folder: Path, prefix: str) -> dict[Path, Path]:
    if "/" in prefix or "\0" in prefix or prefix.startswith("-"):
        raise UsageError("The prefix must not hold a slash nor begin with a dash")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: make it first, or give the one of your monitoring server")
    return {folder / f"{prefix}{name}": program for name, program in programs.items()}


def _link(link: Path, program: Path) -> None:
    if not link.is_symlink():
        # Fails when another process has created the path since is_ours() was called.
        _change(lambda: link.symlink_to(program), link)
        return
    # Renamed over the old link, so that the plugin is never missing: the monitoring server may run it at any time.
    new = Path(draft_beside(link))
    _change(lambda: new.symlink_to(program), new)
    try:
        _change(lambda: new.replace(link), link)
    except UsageError:
        new.unlink(missing_ok=True)
        raise


def _change(act: Callable[[], object], path: Path) -> None:
    try:
        act()
    except OSError as error:
        raise UsageError(f"Cannot change {path}: {error.strerror}") from None


def _hindrances(program: Path) -> Iterable[str]:
    closed = [place for place in program.parents if place.is_dir() and not place.stat().st_mode & 0o001]
    if program.is_file() and program.stat().st_mode & 0o005 != 0o005:
        closed.append(program)
    for place in closed:
        yield f"{place} is closed to other users: the monitoring server may not be able to run the plugins"
    # pip writes the path as it is, which ends at a space for the kernel; and an environment may have been moved.
    interpreter = os.fsdecode(program.read_bytes().removeprefix(b"#!").split(maxsplit=1)[0])
    if not os.path.exists(interpreter):
        yield f"{program} cannot be run: the path of its Python has a space, or is gone ({interpreter} is not there)"


def _is_plugin(path: Path) -> bool:
    try:
        with open(open_regular(path), "rb") as file:
            return _MARK in file.read(1000)
    except OSError:
        return False


def _listed_files() -> list[Path]:
    """Returns the files of the installer's RECORD, which distributions remove from their packages."""
    try:
        listed = distribution("noidchecks").files or []
    except PackageNotFoundError:
        listed = []
    # Not resolve(): it would replace a folder that is a link by its target, which the operator may not know.
    return [Path(os.path.abspath(path.locate())) for path in listed]


def _prefixes() -> list[Path]:
    """Returns the folders that may contain bin/ and share/ of this installation, derived from the path of this file.

    The path is PREFIX/lib/python3/dist-packages/noidchecks in a distribution, PREFIX/noidchecks after pip --target.
    """
    package = Path(os.path.abspath(__file__)).parent
    return [package.parent, *(place.parent for place in package.parents if place.name in ("lib", "lib64"))][:2]


def _first(places: list[Path], suits: Callable[[Path], bool], what: str) -> Path:
    for place in places:
        if suits(place):
            return place
    searched = ", ".join(str(place) for place in dict.fromkeys(places))
    raise UsageError(f"{what} of this installation cannot be found: not in {searched}")
