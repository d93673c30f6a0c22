"""The FTP server of the demonstration: pyftpdlib, with AUTH TLS."""

from __future__ import annotations

import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import FTPServer

from .server_process import LOOPBACK, announce, begin_service


def main(folder: str, certificate: str) -> None:
    """Serves the folder to anonymous users; offers TLS with the certificate (key and chain, PEM)."""
    begin_service()
    users = DummyAuthorizer()
    users.add_anonymous(folder)

    class Handler(TLS_FTPHandler):  # type: ignore[misc]  # pyftpdlib ships no types
        authorizer = users
        banner = "FTP server ready."
        certfile = certificate

    server = FTPServer((LOOPBACK, 0), Handler)
    announce(server.address[1])
    server.serve_forever(handle_exit=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
