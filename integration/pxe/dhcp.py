"""The DHCP server of the machines: an address for each, the VIP, and the file that it boots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from integration.lab import GATEWAY, Lab
from integration.pxe.machines import BRIDGE

ANY, EFI = "!efi", "efi"
"""Tags of dnsmasq for the machines that a file is for: those with a BIOS or U-Boot, and those with UEFI."""

_COMMON = ("port=0", "user=root", "leasefile-ro", "conf-dir=", f"interface={BRIDGE}", "bind-interfaces", "log-dhcp")
# RFC 4578 section 2.1: what machines with UEFI for x86-64 say of themselves.
_X86_64 = 7
# A lease of IPv6, and the prefix of the network; the machines need no router to reach the VIP.
_OVER_IPV6 = (
    "enable-ra",
    f"ra-param={BRIDGE},0,0",
    "dhcp-range=fd00:10::1000,fd00:10::1fff,slaac,64,1h",
)


@contextmanager
def dhcp(lab: Lab, vip: str, files: Mapping[str, str]) -> Iterator[None]:
    """Tells each kind of machine which file it boots from a VIP, over the VIP's IP version, until the block ends."""
    lines = [*_COMMON, f"pid-file={lab.folder}/dnsmasq.pid"]
    if ":" in vip:
        # Over IPv6 a machine with UEFI alone boots here.
        lines += [*_OVER_IPV6, f"dhcp-option=option6:bootfile-url,tftp://[{vip}]/{files[EFI]}"]
    else:
        # With pings, machines that start at once would wait three seconds each for their turn.
        lines += ["no-ping", "dhcp-range=10.10.0.150,10.10.0.199,1h", f"dhcp-option=option:router,{GATEWAY[4]}"]
        lines += [f"dhcp-match=set:{EFI},option:client-arch,{_X86_64}"]
        lines += [f"dhcp-boot=tag:{tag},{file},,{vip}" for tag, file in files.items()]
    configuration = lab.folder / "dnsmasq.conf"
    configuration.write_text("\n".join((*lines, "")))
    with (lab.folder / "dnsmasq.log").open("w") as log:
        words = ("dnsmasq", "--keep-in-foreground", "--log-facility=-", f"--conf-file={configuration}")
        process = lab.client.popen(words, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait()
