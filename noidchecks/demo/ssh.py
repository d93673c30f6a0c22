"""The SSH server of the demonstration: paramiko, which refuses every login."""

from __future__ import annotations

import socket
import sys
import threading

from paramiko import ECDSAKey, ServerInterface, Transport
from paramiko.ssh_exception import SSHException

from .server_process import LOOPBACK, announce, begin_service

_WAITING_CLIENTS = 64


def main(version: str) -> None:
    """Serves with an identification string that ends in the version, and a new host key."""
    begin_service()
    key = ECDSAKey.generate()
    listener = socket.create_server((LOOPBACK, 0), backlog=_WAITING_CLIENTS)
    announce(listener.getsockname()[1])
    while True:
        client, _ = listener.accept()
        transport = Transport(client)
        transport.local_version = f"SSH-2.0-{version}"
        transport.add_server_key(key)
        try:
            # With an event, start_server() returns at once, and the transport's thread continues.
            transport.start_server(event=threading.Event(), server=ServerInterface())
        except (SSHException, EOFError):
            transport.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
