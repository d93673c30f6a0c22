"""A backend of the demonstration: FTP (pyftpdlib), TFTP (tftpy) and SFTP (paramiko) from one folder, in one process.

The real servers of the lab need root and Debian's packages; these run wherever the demonstration does.
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

import paramiko
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
from tftpy import TftpServer

from noidchecks.demo.server_process import announce, begin_service

_WAITING_CLIENTS = 64
_CLOSED_PORT = 9


def main(address: str, folder: str, ftp: str, tftp: str, sftp: str, key: str, half_dead: str) -> None:
    """Serves the folder on three ports of the address until standard input ends; all backends share the host key.

    While the file half_dead exists, the FTP server names a data port on which nothing listens.
    """
    begin_service()
    _serve_ftp(address, int(ftp), folder, Path(half_dead))
    _serve_tftp(address, int(tftp), folder)
    listener = socket.create_server((address, int(sftp)), backlog=_WAITING_CLIENTS)
    announce(int(sftp))
    host_key = paramiko.ECDSAKey(filename=key)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_serve_sftp, args=(client, host_key, Path(folder)), daemon=True).start()


def _serve_ftp(address: str, port: int, folder: str, half_dead: Path) -> None:
    users = DummyAuthorizer()
    users.add_anonymous(folder)

    class Handler(FTPHandler):  # type: ignore[misc]  # pyftpdlib ships no types
        authorizer = users
        banner = "FTP server ready."

        def _make_epasv(self, extmode: bool = False) -> None:
            if not half_dead.exists():
                super()._make_epasv(extmode)
            elif extmode:
                self.respond(f"229 Entering extended passive mode (|||{_CLOSED_PORT}|).")
            else:
                self.respond(f"227 Entering passive mode ({address.replace('.', ',')},0,{_CLOSED_PORT}).")

    server = FTPServer((address, port), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"handle_exit": False}, daemon=True).start()


def _serve_tftp(address: str, port: int, folder: str) -> None:
    server = TftpServer(folder)
    threading.Thread(target=server.listen, args=(address, port), daemon=True).start()
    server.is_running.wait()


class _AnyPassword(paramiko.ServerInterface):  # type: ignore[misc]  # paramiko ships no types
    """Accepts every password, for SFTP alone."""

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)


class _Folder(paramiko.SFTPServerInterface):  # type: ignore[misc]  # paramiko ships no types
    """Opens the files of one folder for reading, whatever flags a client asks for."""

    def __init__(self, server: paramiko.ServerInterface, folder: Path) -> None:
        super().__init__(server)
        self._folder = folder

    def open(self, path: str, flags: int, attr: object) -> paramiko.SFTPHandle | int:
        handle = paramiko.SFTPHandle(flags)
        try:
            handle.readfile = (self._folder / Path(path).name).open("rb")
        except OSError as error:
            return int(paramiko.SFTPServer.convert_errno(error.errno))
        return handle


def _serve_sftp(client: socket.socket, key: paramiko.PKey, folder: Path) -> None:
    transport = paramiko.Transport(client)
    transport.add_server_key(key)
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Folder, folder)
    try:
        # Without an event it would wait for clients that only look and go.
        transport.start_server(event=threading.Event(), server=_AnyPassword())
    except (paramiko.SSHException, EOFError):
        transport.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
