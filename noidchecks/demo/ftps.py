"""The FTP server of the demonstration for implicit TLS, which supports only the greeting and QUIT."""

from __future__ import annotations

import socketserver
import ssl
import sys

from .server_process import LOOPBACK, announce, begin_service


class Session(socketserver.StreamRequestHandler):
    """The session of one client."""

    timeout = 10
    # Otherwise the greeting waits until the client has acknowledged the handshake, 40 ms.
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Greets, and answers commands until the client sends QUIT."""
        context: ssl.SSLContext = self.server.context  # type: ignore[attr-defined]  # an attribute of Server, below
        try:
            with context.wrap_socket(self.connection, server_side=True) as tls, tls.makefile("rwb", 0) as lines:
                lines.write(b"220 FTP server ready.\r\n")
                while (line := lines.readline(512)) and line.strip().upper() != b"QUIT":
                    lines.write(b"530 Please login with USER and PASS.\r\n")
                lines.write(b"221 Goodbye.\r\n")
        except OSError:
            # The client has closed the connection, or does not use TLS.
            pass


class Server(socketserver.ThreadingTCPServer):
    """A server with a thread for each client."""

    daemon_threads = True

    def __init__(self, certificate: str) -> None:
        super().__init__((LOOPBACK, 0), Session)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)


def main(certificate: str) -> None:
    """Serves with the certificate (key and chain, PEM)."""
    begin_service()
    server = Server(certificate)
    announce(server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
