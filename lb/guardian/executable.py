"""Finds the programs that the configuration names, and says why one cannot be run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from noidchecks.plugin.plugin import PLUGINS
from noidchecks.status.text import printable

# Searched before PATH: Debian's folder of plugins and the operator's.
_FOLDERS = "/usr/lib/nagios/plugins:/usr/local/lib/nagios/plugins"
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
# Bytes of a script in which the kernel looks for the interpreter (BINPRM_BUF_SIZE).
_FIRST_LINE = 256
_ELF = b"\x7fELF"


def find(name: str) -> str | None:
    """Returns the path of a program: an absolute path unchanged, a name looked up; None when it cannot be executed."""
    if "/" in name:
        return name if os.path.isabs(name) and os.access(name, os.X_OK) and os.path.isfile(name) else None
    return shutil.which(name, path=f"{_FOLDERS}:{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")


def trouble(name: str) -> str | None:
    """Says in a sentence why a program cannot be run, a missing interpreter included; None when it can be started."""
    shown = printable(name, 100)
    path = find(name)
    if path is not None:
        return _unreadable_by_kernel(path, shown)
    if "/" not in name:
        return f"there is no program {shown} in {_FOLDERS.replace(':', ' or ')} or on PATH{_nearest(name)}"
    if not os.path.isabs(name):
        return f"{shown} must be a path that begins with /, or a name that is looked up"
    if os.path.isdir(name):
        return f"{shown} is a directory"
    if not os.path.lexists(name):
        return f"there is no program {shown}"
    if not os.path.exists(name):
        return f"{shown} is a link to a program that does not exist"
    return f"{shown} is not executable" if os.path.isfile(name) else f"{shown} is no file"


def unread(name: str, errors: bytes) -> str | None:
    """Says that a program is a script that its interpreter may not read; None when its error output does not say so.

    A user who may execute a script and not read it, as with mode 0711, gets the exit code of the interpreter.
    """
    path = find(name)
    if path is None or os.access(path, os.R_OK) or b"ermission denied" not in errors:
        return None
    return f"{printable(name, 100)} is a script that its interpreter may not read"


def _unreadable_by_kernel(path: str, shown: str) -> str | None:
    try:
        with open(path, "rb") as file:
            head = file.read(_FIRST_LINE)
    except OSError:
        # Execute permission is enough to run a binary.
        return None
    if not head.startswith(b"#!"):
        return (
            None if head.startswith(_ELF) or _has_other_formats() else f"{shown} is neither a binary nor a script (#!)"
        )
    words = os.fsdecode(head[2:].partition(b"\n")[0]).split()
    if not words:
        return f"{shown} names no interpreter behind #!"
    interpreter = words[0]
    if os.path.basename(interpreter) == "env" and os.access(interpreter, os.X_OK):
        interpreter = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), interpreter)
        found = shutil.which(interpreter, path=os.environ.get("PATH", os.defpath))
    else:
        found = interpreter if os.access(interpreter, os.X_OK) and os.path.isfile(interpreter) else None
    return None if found else f"{shown} needs the interpreter {printable(interpreter, 100)}, which is missing"


def _has_other_formats() -> bool:
    """Returns whether this machine has additional executable formats registered (binfmt_misc)."""
    with suppress(OSError):
        return bool(set(os.listdir("/proc/sys/fs/binfmt_misc")) - {"register", "status"})
    return False


def _nearest(name: str) -> str:
    near = get_close_matches(name[:63], [*PLUGINS, *_installed()], n=1)
    return f": did you mean {near[0]}?" if near else ""


def _installed() -> Iterator[str]:
    for folder in _FOLDERS.split(":"):
        with suppress(OSError):
            yield from (path.name for path in Path(folder).iterdir())
