"""The options of check_ssh and check_sftp that make them log in, and how their values are read."""

from __future__ import annotations

from ..errors import UsageError
from ..files.options import FILE_ROWS, PASSWORD_ROWS, files_of, login_of
from ..plugin.getopt import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOGIN_ROWS = (
    Option("user", extension=True, metavar="NAME", help="Log in as this user"),
    Option(
        "identity", extension=True, repeatable=True, metavar="FILE", help="Log in with the private key in this file"
    ),
    Option(
        "passphrase-file", extension=True, metavar="FILE", help="Passphrase of the keys: the first line of this file"
    ),
    Option("agent", extension=True, help="Log in with the keys of the agent (SSH_AUTH_SOCK)"),
    *PASSWORD_ROWS,
)  # fmt: skip
_NAMES = frozenset(row.name for row in (*LOGIN_ROWS, *FILE_ROWS)) | {"password", "look-for-keys", "timestamp"}
_USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


class LoginSettings:
    """Collects the values of the rows."""

    __slots__ = ("_values", "_identities")

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._identities: list[str] = []

    def take(self, name: str, value: str) -> bool:
        """Keeps one option and tells whether it is of these rows."""
        if name not in _NAMES:
            return False
        if name == "identity":
            self._identities.append(value)
        else:
            self._values[name] = value
        return True

    def build(self, host: str) -> dict[str, Any]:
        """Returns what SshProbe takes by keyword; UsageError."""
        given = self._values
        if not given and not self._identities:
            return {}
        settings = files_of(given)
        login = login_of(given, host, needs_password=False)
        if login is not None and "password" in given:
            login = login.replace(password=given["password"])
        if login is not None:
            settings["login"] = login
        if "agent" in given:
            settings["agent"] = True
        if "timestamp" in given:
            settings["timestamp"] = given["timestamp"]
        paths = [*self._identities, *(_usual_keys() if "look-for-keys" in given else ())]
        if "passphrase-file" in given and not paths:
            raise UsageError("--passphrase-file needs --identity")
        if paths:
            from .identity import Identity

            phrase = ""
            if "passphrase-file" in given:
                from ..files.login import first_line

                phrase = first_line("passphrase file", given["passphrase-file"])
            settings["identities"] = tuple(Identity(path, phrase) for path in paths)
        return settings


def _usual_keys() -> list[str]:
    from os.path import expanduser, isfile

    return [path for name in _USUAL_KEYS if isfile(path := expanduser(f"~/.ssh/{name}"))]
