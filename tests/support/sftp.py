"""An SSH server of paramiko with a folder behind SFTP, which misbehaves where a test wants it to."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import cMSG_DISCONNECT

HOST_KEY = paramiko.ECDSAKey.generate()


@dataclass
class Conduct:
    """What the server does: whom it lets in, and what happens instead of an answer, by the name of the operation.

    questions are those of keyboard-interactive, which come once more with again; answers keeps what was said to them.
    A trouble is called with the transport and returns an SFTP status, or never; that of "password" lets nobody in, that
    of "channel" returns why no session is opened (RFC 4254 section 5.1).
    methods are what is offered, only the one of them that lets in when it is given; after_success, by method, is what
    is offered when that has succeeded and is not enough. with patience the server's KEXINIT waits for the client's.
    """

    user: str = "bob"
    password: str = "sesame"
    key: Any = None
    methods: str = "publickey,password"
    subsystem: bool = True
    version: str = "lab_1"
    troubles: dict[str, Callable[[paramiko.Transport], int]] = field(default_factory=dict)
    attempts: list[str] = field(default_factory=list)
    questions: list[tuple[str, bool]] = field(default_factory=lambda: [("Password: ", False)])
    again: bool = False
    answers: list[list[str]] = field(default_factory=list)
    only: str = ""
    after_success: dict[str, str] = field(default_factory=dict)
    patience: bool = False


def hang_up(transport: paramiko.Transport, reason: str = "that was enough") -> int:
    """Ends the connection with a reason (RFC 4253 section 11.1); returns a status nobody hears of."""
    message = paramiko.Message()
    message.add_byte(cMSG_DISCONNECT)
    message.add_int(2)
    message.add_string(reason)
    message.add_string("en")
    transport._send_message(message)
    transport.close()
    return int(paramiko.SFTP_FAILURE)


def want_new_password(transport: paramiko.Transport, prompt: str | bytes = "It has expired.") -> int:
    """Sends SSH_MSG_USERAUTH_PASSWD_CHANGEREQ (RFC 4252 section 8); returns a status nobody hears of."""
    message = paramiko.Message()
    message.add_byte(b"\x3c")
    message.add_string(prompt)
    message.add_string("en")
    transport._send_message(message)
    return int(paramiko.SFTP_FAILURE)


class _Patient(paramiko.Transport):  # type: ignore[misc]  # paramiko ships no types
    """Sends its KEXINIT only in answer to the client's."""

    _is_asked = False

    def _send_kex_init(self) -> None:
        if self._is_asked:
            super()._send_kex_init()
        self._is_asked = True


class _Hall(AuthHandler):  # type: ignore[misc]  # paramiko ships no types
    """Takes a second request for the service badly, as asyncssh does."""

    def __init__(self, transport: paramiko.Transport) -> None:
        super().__init__(transport)
        self._is_asked = False

    def _parse_service_request(self, message: Any) -> None:
        if self._is_asked:
            hang_up(self.transport, "unexpected service request")
            return
        self._is_asked = True
        super()._parse_service_request(message)


class _Door(paramiko.ServerInterface):  # type: ignore[misc]  # as above
    def __init__(self, conduct: Conduct, transport: paramiko.Transport) -> None:
        self._conduct = conduct
        self._transport = transport
        self._first = conduct.methods

    def get_allowed_auths(self, username: str) -> str:
        return self._first

    def check_auth_none(self, username: str) -> int:
        self._conduct.attempts.append("none")
        return int(paramiko.AUTH_SUCCESSFUL if self._conduct.methods == "none" else paramiko.AUTH_FAILED)

    def check_auth_password(self, username: str, password: str) -> int:
        self._conduct.attempts.append("password")
        if "password" in self._conduct.troubles:
            self._conduct.troubles["password"](self._transport)
            return int(paramiko.AUTH_FAILED)
        return self._verdict("password", username, password == self._conduct.password)

    def check_auth_publickey(self, username: str, key: Any) -> int:
        self._conduct.attempts.append("publickey")
        # It knows the key, and no authority that has signed it.
        is_certificate = key.public_blob is not None
        known = None if is_certificate else self._conduct.key
        good = known is not None and key.get_fingerprint() == known.get_fingerprint()
        return self._verdict("publickey", username, good)

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        self._conduct.attempts.append("keyboard-interactive")
        return paramiko.InteractiveQuery("", "", *self._conduct.questions)

    def check_auth_interactive_response(self, responses: list[str]) -> Any:
        self._conduct.answers.append(list(responses))
        if self._conduct.again:
            return paramiko.InteractiveQuery("", "", *self._conduct.questions)
        return self._verdict("keyboard-interactive", self._conduct.user, responses == [self._conduct.password])

    def check_channel_request(self, kind: str, chanid: int) -> int:
        trouble = self._conduct.troubles.get("channel")
        return int(paramiko.OPEN_SUCCEEDED) if trouble is None else trouble(self._transport)

    def _verdict(self, method: str, username: str, good: bool) -> int:
        if method not in self._first.split(",") or username != self._conduct.user or not good:
            return int(paramiko.AUTH_FAILED)
        if self._conduct.only not in ("", method):
            return int(paramiko.AUTH_FAILED)
        if method in self._conduct.after_success:
            self._first = self._conduct.after_success[method]
            return int(paramiko.AUTH_PARTIALLY_SUCCESSFUL)
        if self._first == "publickey,then,password":
            self._first = "password"
            return int(paramiko.AUTH_PARTIALLY_SUCCESSFUL)
        return int(paramiko.AUTH_SUCCESSFUL)


class _Handle(paramiko.SFTPHandle):  # type: ignore[misc]  # as above
    def __init__(self, flags: int, trouble: Callable[[str], int | None]) -> None:
        super().__init__(flags)
        self._trouble = trouble

    def read(self, offset: int, length: int) -> Any:
        trouble = self._trouble("read")
        return super().read(offset, length) if trouble is None else trouble

    def write(self, offset: int, data: bytes) -> Any:
        trouble = self._trouble("write")
        return super().write(offset, data) if trouble is None else trouble


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]  # as above
    def __init__(self, server: _Door, transport: paramiko.Transport, folder: Path, conduct: Conduct) -> None:
        super().__init__(server)
        self._transport = transport
        self._folder = folder
        self._conduct = conduct

    def _trouble(self, operation: str) -> int | None:
        trouble = self._conduct.troubles.get(operation)
        return None if trouble is None else trouble(self._transport)

    def list_folder(self, path: str) -> Any:
        return self._do("list", lambda: [self._attributes(one) for one in self._at(path).iterdir()])

    def stat(self, path: str) -> Any:
        return self._do("stat", lambda: self._attributes(self._at(path)))

    def remove(self, path: str) -> int:
        def remove() -> int:
            self._at(path).unlink()
            return int(paramiko.SFTP_OK)

        return int(self._do("remove", remove))

    def open(self, path: str, flags: int, attr: Any) -> Any:
        def opened() -> _Handle:
            handle = _Handle(flags, self._trouble)
            file = os.fdopen(os.open(self._at(path), flags, 0o600), "wb" if flags & os.O_WRONLY else "rb", buffering=0)
            handle.filename = path
            handle.readfile = handle.writefile = file
            return handle

        return self._do("create" if flags & os.O_CREAT else "open", opened)

    def _do(self, operation: str, act: Callable[[], Any]) -> Any:
        trouble = self._trouble(operation)
        if trouble is not None:
            return trouble
        try:
            return act()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def _at(self, path: str) -> Path:
        return self._folder / path.lstrip("/")

    def _attributes(self, path: Path) -> Any:
        return paramiko.SFTPAttributes.from_stat(path.stat(), path.name)


@contextmanager
def sftp_server(folder: Path, conduct: Conduct | None = None, host: str = "127.0.0.1") -> Iterator[int]:
    """Runs the server on a port of the host and yields the port."""
    manners = conduct or Conduct()
    transports: list[paramiko.Transport] = []

    def serve(client: socket.socket) -> None:
        transport = (_Patient if manners.patience else paramiko.Transport)(client)
        transports.append(transport)
        transport.local_version = f"SSH-2.0-{manners.version}"
        transport.add_server_key(HOST_KEY)
        transport.auth_handler = _Hall(transport)
        if manners.subsystem:
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, transport, folder, manners)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(event=threading.Event(), server=_Door(manners, transport))

    def accept() -> None:
        with suppress(OSError):
            while True:
                serve(listener.accept()[0])

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for transport in transports:
                transport.close()
