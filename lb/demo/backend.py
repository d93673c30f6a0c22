"""A backend of the demonstration: FTP (pyftpdlib), TFTP (tftpy) and SFTP (paramiko) from one folder, in one process."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

import paramiko
from noidlb.demo.scene import PASSIVE_PORTS, Ports, half_dead
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
from tftpy import TftpServer

from noidchecks.demo.servant import announce, begin_service

_WAITING_CLIENTS = 64
_CLOSED_PORT = 9


def main(address: str, folder: str, key: str, *ports: str) -> None:
    """Serves the folder on the address until standard input ends; the host key is that of the whole farm.

    For as long as the file half_dead(folder) is there, the FTP server names data ports that nothing listens on.
    """
    begin_service()
    numbers = Ports(*map(int, ports))
    _serve_ftp(address, numbers.ftp, folder)
    _serve_tftp(address, numbers.tftp, folder)
    listener = socket.create_server((address, numbers.sftp), backlog=_WAITING_CLIENTS)
    announce(numbers.ftp)
    host_key = paramiko.Ed25519Key(filename=key)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_serve_sftp, args=(client, host_key, folder), daemon=True).start()


def _serve_ftp(address: str, port: int, folder: str) -> None:
    users = DummyAuthorizer()
    users.add_anonymous(folder)

    class Handler(FTPHandler):  # type: ignore[misc]  # pyftpdlib ships no types
        authorizer = users
        banner = "FTP server ready."
        passive_ports = range(*PASSIVE_PORTS)

        def _make_epasv(self, extmode: bool = False) -> None:
            if not half_dead(Path(folder)).exists():
                super()._make_epasv(extmode)
            elif extmode:
                self.respond(f"229 Entering extended passive mode (|||{_CLOSED_PORT}|).")
            else:
                high, low = divmod(_CLOSED_PORT, 256)
                self.respond(f"227 Entering passive mode ({address.replace('.', ',')},{high},{low}).")

    server = FTPServer((address, port), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"handle_exit": False}, daemon=True).start()


def _serve_tftp(address: str, port: int, folder: str) -> None:
    server = TftpServer(folder)
    threading.Thread(target=server.listen, args=(address, port), daemon=True).start()
    server.is_running.wait()


class _Anybody(paramiko.ServerInterface):  # type: ignore[misc]  # paramiko ships no types
    """Lets everybody in, for SFTP alone."""

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)


class _Folder(paramiko.SFTPServerInterface):  # type: ignore[misc]  # paramiko ships no types
    """Shows the files of one folder, without its subfolders, to read."""

    def __init__(self, server: paramiko.ServerInterface, folder: str) -> None:
        super().__init__(server)
        self._folder = Path(folder)

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes]:
        return [paramiko.SFTPAttributes.from_stat(one.stat(), one.name) for one in self._folder.iterdir()]

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._file(path).stat())
        except OSError as error:
            return int(paramiko.SFTPServer.convert_errno(error.errno))

    def open(self, path: str, flags: int, attr: object) -> paramiko.SFTPHandle | int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            return int(paramiko.SFTP_PERMISSION_DENIED)
        try:
            file = self._file(path).open("rb")
        except OSError as error:
            return int(paramiko.SFTPServer.convert_errno(error.errno))
        handle = paramiko.SFTPHandle(flags)
        handle.filename, handle.readfile = path, file
        return handle

    def _file(self, path: str) -> Path:
        return self._folder / Path(path).name


def _serve_sftp(client: socket.socket, key: paramiko.PKey, folder: str) -> None:
    transport = paramiko.Transport(client)
    transport.add_server_key(key)
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Folder, folder)
    try:
        # Without an event it would wait for clients that only look and go.
        transport.start_server(event=threading.Event(), server=_Anybody())
    except (paramiko.SSHException, EOFError):
        transport.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
