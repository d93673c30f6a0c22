"""The options of check_ssh and check_sftp for the login, and the parsing of their values."""

from __future__ import annotations

from ..errors import UsageError
from ..files.options import PASSWORD_ROWS, files_of, login_of
from ..plugin.common import filled
from ..plugin.getopt import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..plugin.common import Given

LOGIN_ROWS = (
    Option("user", extension=True, metavar="NAME", help="Log in as this user"),
    Option(
        "identity", extension=True, repeatable=True, metavar="FILE", help="Log in with the private key in this file",
        field="identities",
    ),
    Option(
        "passphrase-file", extension=True, metavar="FILE", help="Passphrase of the keys: the first line of this file"
    ),
    Option("agent", extension=True, help="Log in with the keys of the agent (SSH_AUTH_SOCK)", field="agent"),
    *PASSWORD_ROWS,
)  # fmt: skip
_USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


def login_settings(given: Given, host: str) -> dict[str, Any]:
    """Returns SshProbe's keyword arguments for the login and the transfers; raises UsageError."""
    texts = given.texts
    settings = files_of(texts)
    login = login_of(texts, host, needs_password=False)
    if login is not None and "password" in texts:
        login = login.replace(password=filled(texts["password"], "Secret"))
    if login is not None:
        settings["login"] = login
    paths = [*given.settings.get("identities", ()), *(_usual_keys() if "look-for-keys" in texts else ())]
    if "passphrase-file" in texts and not paths:
        raise UsageError("--passphrase-file needs --identity")
    if paths:
        from .identity import Identity

        phrase = ""
        if "passphrase-file" in texts:
            from ..files.login import first_line

            phrase = first_line("passphrase file", texts["passphrase-file"])
        settings["identities"] = tuple(Identity(path, phrase) for path in paths)
    return settings


def _usual_keys() -> list[str]:
    from os.path import expanduser, isfile

    return [path for name in _USUAL_KEYS if isfile(path := expanduser(f"~/.ssh/{name}"))]
