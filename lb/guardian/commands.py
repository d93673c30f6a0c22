"""Examines the check commands of a configuration: whether each can run on this machine and checks its own backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from noidchecks.errors import UsageError
from noidchecks.plugin.plugin import PLUGINS, InformationWanted, parse
from noidchecks.plugin.redact import redacted
from noidchecks.status.text import printable

from ..errors import FarmError, joined
from ..farm import Farm
from ..guard import fill_in, words_of
from .executable import trouble

_EXAMPLE = "192.0.2.1"
_HOST = re.compile(r"\bHOST\b", re.ASCII)
# HOST or PORT written as a variable of Nagios ($HOST$), a shell (${HOST}) or a template ({{ HOST }}).
_MARKED = re.compile(
    r"(?:\$\{|\{\{ *|[%@<{])(HOST|PORT)(?: *\}\}|[%@>}])|\$(HOST|PORT)\b\$?|(?<!\w)(HOST|PORT)\$", re.ASCII
)
# The usual option for the host with its value, and the macros of Nagios for an address.
_PEER = re.compile(r"(?<!\S)(?:-H *|--host(?:name)?[ =])[^\s-]\S*")
_ANY_MACRO = re.compile(r"\$[A-Z][A-Z0-9_]*\$", re.ASCII)
_MACRO = re.compile(r"\$(?:HOST|SERVICE)?(?:ADDRESS6?|NAME|address6?)\$", re.ASCII)
_ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*)(?![\w.:])")
# Operators of a shell; a single & inside a word may belong to a URL.
_SHELL = re.compile(r"&&|\|\||\$\(|[0-9]?>>?(?:&[0-9])?|<<?|[|;`]|(?<!\S)&(?!\S)|&\s*$")
# An escaped character, and a quoted text, in whose single quotes a backslash escapes nothing.
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*["]""", re.DOTALL)


def complaints(farms: tuple[Farm, ...]) -> Iterator[FarmError]:
    """Yields an error for each command of these farms that is wrong."""
    for farm in farms:
        guard = farm.guardian
        if guard is None:
            continue
        for number, command in enumerate(farm.commands):
            path = f"farms.{farm.name}.guardian.command{f's[{number}]' if len(farm.commands) > 1 else ''}"
            for message in (misuse(command, shared=guard.shared_check), _trouble(words_of(command)[0])):
                if message is not None:
                    yield FarmError(path, f"{message}, in {printable(redacted(command), 200)!r}")
                    break
    # The program may be installed before the next call.
    _trouble.cache_clear()


def require_usable(farms: tuple[Farm, ...]) -> None:
    """Raises FarmError for all commands that cannot run on this machine or do not check their backend."""
    if found := [*complaints(farms)]:
        raise joined(found)


def misuse(command: str, *, shared: bool = False) -> str | None:
    """Says in a sentence why a command would not check its backend; None when it does.

    shared: one result is meant for all backends, so the command need not contain HOST.
    """
    words = words_of(command)
    if found := next(filter(None, map(_MARKED.search, words)), None):
        token = found[1] or found[2] or found[3]
        return f"write {token} as it is, not {found[0]}: {_form(command)!r}"
    if found := next(filter(None, map(_ANY_MACRO.search, words)), None):
        return f"{found[0]} is not replaced here, only HOST and PORT are: write {_form(command)!r}"
    if any(word in ("HOST:PORT", "[HOST]:PORT") for word in words):
        return (
            "HOST and PORT must be words of their own, with the options that the program has for them: -H HOST -p PORT"
        )
    if sign := _SHELL.search(_unquoted(command)):
        # Errors are printed without the character |.
        shown = "a pipe sign" if "|" in sign[0] else repr(sign[0])
        return f"no shell runs the command, so {shown} does not work: put it into a script, or quote the word"
    if shared:
        return None
    if not any(_HOST.search(word) for word in words[1:]):
        return (
            f"the command does not contain HOST, so it does not check this backend: write {_form(command)!r}, or "
            "shared-check = true when one result counts for all backends"
        )
    return _elsewhere(command, words) if words[0] in PLUGINS else None


def _elsewhere(command: str, words: list[str]) -> str | None:
    """Says that a noidchecks plugin would check another host than HOST."""
    if any(word.startswith("--extra-opts") for word in words):
        return None
    try:
        peer = str(getattr(parse(fill_in(command, _EXAMPLE, 1)).probe, "host", _EXAMPLE))
    except (UsageError, InformationWanted):
        # Reported by the reader of the configuration.
        return None
    if peer == _EXAMPLE:
        return None
    shown = peer.replace(_EXAMPLE, "HOST")
    return f"{words[0]} would check {printable(shown, 100)}, not the backend: write {words[0]} -H HOST"


def _form(command: str) -> str:
    """Returns the command as it was probably meant, with HOST in the place of the host."""
    text = _MARKED.sub(lambda found: str(found[1] or found[2] or found[3]), redacted(command))
    for pattern, meant in ((_PEER, "-H HOST"), (_MACRO, "HOST"), (_ADDRESS, "HOST"), (re.compile(r"$"), " -H HOST")):
        if not _HOST.search(text):
            text = pattern.sub(meant, text, count=1)
    return printable(text, 200)


def _unquoted(command: str) -> str:
    """Returns the command with x for each quoted character, and for the quotes."""
    return _QUOTED.sub(lambda found: "x" * len(found[0]), command)


@lru_cache(maxsize=256)
def _trouble(program: str) -> str | None:
    return None if program in PLUGINS else trouble(program)
