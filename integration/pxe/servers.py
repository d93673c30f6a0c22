"""TFTP servers of other kinds in the place of the lab's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from integration.lab import Lab
from integration.lab.servers import Place, Server, tftpd_hpa

_USUAL, _OTHER = "tftpd-hpa", "other"
_LOOPBACK = ("127.0.0.1", "::1")


@contextmanager
def exchanged(lab: Lab, start: Callable[[Place], Server]) -> Iterator[None]:
    """Starts another TFTP server on each backend, and the usual one again when the block ends."""
    for backend in lab.backends:
        backend.remove(_USUAL)
        backend.exchange(_OTHER, start)
    try:
        yield
    finally:
        for backend in lab.backends:
            backend.remove(_OTHER)
            backend.exchange(_USUAL, tftpd_hpa)


def dnsmasq(place: Place) -> Server:
    """Starts dnsmasq, which answers from port 69 itself."""
    words = ("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--port=0", "--user=root")
    pid, root = f"--pid-file={place.folder}/pid", f"--tftp-root={place.files}"
    argv = [*words, pid, "--enable-tftp", "--tftp-single-port", root]
    return Server(place, [*argv], lambda daemon: daemon.wait_for_tftp(_LOOPBACK, 69))
