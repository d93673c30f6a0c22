"""The TFTP server of the demonstration: tftpy."""

from __future__ import annotations

import sys
import threading

from tftpy import TftpServer

from .server_process import LOOPBACK, announce, begin_service


def main(folder: str) -> None:
    """Serves the files of the folder."""
    begin_service()
    server = TftpServer(folder)
    threading.Thread(target=server.listen, args=(LOOPBACK, 0), daemon=True).start()
    server.is_running.wait()
    announce(server.listenport)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
