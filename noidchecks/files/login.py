"""Reads passwords from a file, the environment or a file in the format of .netrc, never from the command line."""

from __future__ import annotations

import os
import re

from ..errors import UsageError
from ..regular import read_regular
from ..status.text import printable
from .settings import Login

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMIT = 65536
# A macro ends with the first empty line.
_MACRO = re.compile(r"^[ \t]*macdef\s.*?(?:\n[ \t\r]*(?=\n)|\Z)", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r'"((?:[^"\\\n]|\\.)*)"(?!\S)|\S+')
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_login(user: str, source: str, value: str, host: str) -> Login:
    """Returns the login with the password from the source (password-file, password-env or auth-file); UsageError.

    The default user is the one that the auth-file names, with the other sources anonymous.
    """
    if source == "auth-file":
        return _from_auth_file(value, host, user)
    user = user or "anonymous"
    if source == "password-file":
        return Login(user, first_line("password file", value))
    if source == "password-env":
        password = os.environ.get(value)
        if password is None:
            raise UsageError(f"The environment has no variable {printable(value)}")
        return Login(user, password)
    if user not in ("anonymous", "ftp"):
        raise UsageError(f"User {printable(user)} needs a --password-file, --password-env or --auth-file")
    return Login(user)


def first_line(what: str, name: str) -> str:
    """Returns the first line of a file that holds a secret; UsageError when it is empty or cannot be read."""
    line = _read(what, name).split("\n", 1)[0].rstrip("\r")
    if not line:
        raise UsageError(f"The first line of {what} {printable(name)} is empty")
    return line


def first_machine(name: str) -> str:
    """Returns the first host in an auth file, "" when it names no host; raises UsageError."""
    return next((entry["machine"] for entry in _entries(name) if "machine" in entry), "")


def _from_auth_file(name: str, host: str, user: str) -> Login:
    for entry in _entries(name):
        is_ours = entry.get("machine", host).lower() == host.lower() and (not user or entry.get("login") == user)
        if is_ours and "login" in entry and "password" in entry:
            return Login(entry["login"], entry["password"])
    who = f"user {printable(user)} at " if user else ""
    raise UsageError(f"Auth file {printable(name)} has no login and password for {who}{printable(host)}")


def _entries(name: str) -> list[dict[str, str]]:
    words = _words(_read("auth file", name))
    entries: list[dict[str, str]] = []
    for word in words:
        if word == "machine":
            entries.append({"machine": next(words, "")})
        elif word == "default":
            entries.append({})
        elif word in ("login", "password", "account") and entries:
            entries[-1][word] = next(words, "")
        else:
            # The message does not repeat the word, which may be a part of a password.
            raise UsageError(f"Auth file {printable(name)} must have lines: machine HOST login USER password PASSWORD")
    return entries


def _words(text: str) -> Iterator[str]:
    """Yields the words of a .netrc, without comments and macros; quoted words are parsed as curl does.

    The netrc module of the standard library supports only one login per host, and files in UTF-8 or the locale's
    encoding.
    """
    lines = (line for line in _MACRO.sub("", text).splitlines() if not line.lstrip().startswith("#"))
    for word in _WORD.finditer("\n".join(lines)):
        if word[1] is None:
            yield word[0]
        else:
            yield _ESCAPED.sub(lambda char: _ESCAPES.get(char[1], char[1]), word[1])


def _read(what: str, name: str) -> str:
    try:
        return read_regular(name, _LIMIT).decode(errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"Cannot read {what} {printable(name)}: {error.strerror}") from None
