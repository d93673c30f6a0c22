"""What can break of an SSH server before the login; what comes after it is in sftp.py."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from integration.breaks.scene import Scene, Stages, Where, breaks
from integration.lab import servers, vip
from integration.lab.faults import BLACKHOLE, fault
from integration.lab.servers import Keys, Place, Server

PORT = 2200
SSH = Where(port=PORT)
SECTION = "SSH and SFTP"


def sshd(keys: Keys, *lines: str, max_startups: str = "100") -> Callable[[Place], Server]:
    """Prepares an sshd with lines of sshd_config(5)."""
    return lambda place: servers.sshd(place, keys, PORT, lines, max_startups=max_startups)


@breaks(SECTION, "No server listens")
def nobody_listens(scene: Scene) -> Stages:
    with scene.server(sshd(scene.lab.keys)):
        yield SSH
    yield SSH


@breaks(SECTION, "Packets vanish")
def packets_vanish(scene: Scene) -> Stages:
    with scene.server(sshd(scene.lab.keys)):
        yield SSH
        with fault(scene.backend, BLACKHOLE):
            yield SSH


@breaks(SECTION, "The daemon hangs")
def the_daemon_hangs(scene: Scene) -> Stages:
    with scene.server(sshd(scene.lab.keys)) as server:
        yield SSH
        server.hang()
        yield SSH


@breaks(SECTION, "Too many clients are logging in")
def max_startups(scene: Scene) -> Stages:
    with scene.server(sshd(scene.lab.keys, max_startups="3:100:3")):
        yield SSH
        with scene.held(PORT, b"SSH-", 3):
            yield SSH


@breaks(SECTION, "The host key has changed")
def host_key_changed(scene: Scene) -> Stages:
    known = scene.lab.keys
    said = subprocess.run(["ssh-keygen", "-lf", known.host], capture_output=True, text=True, check=True).stdout
    where = Where(port=PORT, words={"SHA256:...": said.split()[1]})
    for keys in (known, Keys.make(scene.folder("keys"))):
        with scene.server(sshd(keys)):
            yield where


@breaks(SECTION, "The host key is not the one in known_hosts")
def host_key_unknown(scene: Scene) -> Stages:
    folder = scene.folder("keys")
    known = scene.lab.keys
    key = " ".join(known.host.with_suffix(".pub").read_text().split()[:2])
    file = folder / "known_hosts"
    file.write_text(f"[{scene.backend.address(4)}]:{PORT} {key}\n{vip(4)} {key}\n")
    where = Where(port=PORT, words={"known_hosts": file})
    for keys in (known, Keys.make(folder)):
        with scene.server(sshd(keys)):
            yield where


@breaks(SECTION, "Weak algorithms are offered")
def weak_algorithms(scene: Scene) -> Stages:
    for lines in ((), ("Ciphers +aes128-cbc",)):
        with scene.server(sshd(scene.lab.keys, *lines)):
            yield SSH


@breaks(SECTION, "The key exchange that clients need is missing")
def exchange_gone(scene: Scene) -> Stages:
    for lines in ((), ("KexAlgorithms ecdh-sha2-nistp256",)):
        with scene.server(sshd(scene.lab.keys, *lines)):
            yield SSH
