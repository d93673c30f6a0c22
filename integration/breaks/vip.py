"""What can break between the clients and servers that are healthy."""

from __future__ import annotations

from integration.breaks import ftp, ssh, tftp
from integration.breaks.scene import Scene, Stages, Where, breaks
from integration.lab.faults import fault

SECTION = "Only through the VIP"
NOTHING_TO_CLIENTS = "ip daddr 10.10.0.0/16 drop"


@breaks(SECTION, "The servers have no route back to the clients (mode `dnat`)")
def no_way_back(scene: Scene) -> Stages:
    where = Where(port=ftp.PORT, mode="dnat")
    with scene.server(ftp.vsftpd(scene)):
        yield where
        with fault(scene.backend, NOTHING_TO_CLIENTS, "output"):
            yield where


@breaks(SECTION, "FTP has no helper, passive mode")
def no_ftp_helper_passive(scene: Scene) -> Stages:
    with scene.server(ftp.vsftpd(scene)):
        yield Where(port=ftp.PORT)
        yield Where(port=ftp.PORT, farm="tcp")


@breaks(SECTION, "FTP has no helper, active mode")
def no_ftp_helper_active(scene: Scene) -> Stages:
    return no_ftp_helper_passive(scene)


@breaks(SECTION, "TFTP has no helper")
def no_tftp_helper(scene: Scene) -> Stages:
    with scene.server(tftp.hpa):
        yield Where(port=tftp.PORT)
        yield Where(port=tftp.PORT, farm="udp")


@breaks(SECTION, "The balancer does not forward")
def not_forwarded(scene: Scene) -> Stages:
    with scene.server(ssh.sshd(scene.lab.keys)):
        yield ssh.SSH
        scene.lab.balancer.sysctl("net/ipv4/conf/all/forwarding", 0)
        try:
            yield ssh.SSH
        finally:
            scene.lab.balancer.sysctl("net/ipv4/conf/all/forwarding", 1)


@breaks(SECTION, "No backend is up")
def no_backend(scene: Scene) -> Stages:
    with scene.server(ftp.vsftpd(scene)):
        yield ftp.FTP
        yield Where(port=ftp.PORT, state="down")
