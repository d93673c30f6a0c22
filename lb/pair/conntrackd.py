"""Writes conntrackd.conf, the notify script and the kernel settings of one node: values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..config.pair import Node, Pair
from .rules import LOST

SOLICIT_AGAIN = 100
"""Milliseconds between neighbour solicitations; after three without an answer the kernel waits for the next packet."""


def conntrackd_conf(pair: Pair, node: Node, run: Path) -> str:
    """Returns conntrackd.conf; run is the folder of its lock and socket."""
    here, there = node.sync.address[0].ip, pair.peer(node).sync.address[0].ip
    family = f"IPv{here.version}"
    # The nodes' own flows, such as the checks of the guardian, are useless on the other node.
    own = sorted({address for one in pair.nodes for address in one.addresses}, key=lambda one: (one.version, int(one)))
    ignored = "\n".join(f"                IPv{one.version}_address {one}" for one in own)
    port = "IPv4_Destination_Address" if here.version == 4 else "IPv6_Destination_Address"
    return f"""\
Sync {{
    Mode FTFW {{
        # Flows go straight into the standby's kernel: at a crash nobody has to bring them there, and no packet of a
        # running transfer meets a kernel that does not know it.
        DisableExternalCache yes
        # Who comes back asks for what it has missed.
        StartupResync yes
    }}
    UDP {{
        {family}_address {here}
        {port} {there}
        Port {pair.sync_port}
        Interface {node.sync.interface}
        SndSocketBuffer 1249280
        RcvSocketBuffer 1249280
        Checksum on
    }}
    Options {{
        # The other node does not see the packets, so it cannot follow the window: flows must be taken as they are.
        TCPWindowTracking off
        ExpectationSync {{
            ftp
            tftp
        }}
    }}
}}
General {{
    Systemd on
    HashSize 32768
    HashLimit 131072
    LogFile off
    Syslog on
    LockFile {run}/conntrackd.lock
    UNIX {{
        Path {run}/conntrackd.ctl
    }}
    NetlinkBufferSize 2097152
    NetlinkBufferSizeMaxGrowth 8388608
    Filter From Kernelspace {{
        Protocol Accept {{
            TCP
            # TFTP.
            UDP
        }}
        Address Ignore {{
            # Only what never moves. A VIP in this list would leave out every flow of its farm.
            IPv4_address 127.0.0.1
            IPv6_address ::1
{ignored}
        }}
    }}
}}
"""


def notify_script(folder: Path, run: Path, control_ports: Sequence[int]) -> str:
    """Returns the script that keepalived runs as root when this node's role changes; both paths must be plain."""
    forget = "\n".join(
        f"    conntrack -D -f {family} -p tcp --orig-port-dst {port} -m {lost:#x}/{lost:#x} >/dev/null 2>&1"
        for port in control_ports
        for lost in LOST
        for family in ("ipv4", "ipv6")
    )
    return f"""\
#!/bin/sh
# keepalived appends: GROUP or INSTANCE, its name, the state and the priority.
state=$3

flows() {{
    conntrackd -C {folder}/conntrackd.conf "$@"
}}

# Readers of the role must never see half of it. The file is made beside the folder and moved into it: whoever may write
# in the folder could leave a link there, which a rename replaces, and a redirection would follow.
tell() {{
    mkdir -p {run} || return
    new=$(mktemp {run.parent}/.noidlb-role.XXXXXX) || return
    if ! {{ echo "$1" >"$new" && chmod 0644 "$new" && mv -fT "$new" {run}/role; }}; then
        rm -f "$new"
        logger -t noidlb-pair "the role $1 cannot be written to {run}/role" 2>/dev/null
    fi
}}

case $state in
MASTER)
    # FTP sessions whose sequence numbers the other node had moved: unknown, they are reset at the client's next word,
    # which is better than a word that never gets an answer. Their data connections go on.
{forget}
    tell master
    # What the other node had sent stands in the kernel alone: take it into what this one sends from now on, and send
    # all of it, for the other node may have missed some.
    flows -R
    flows -B
    ;;
BACKUP)
    tell backup
    # Ask for what the other node has. Not -t, which belongs to the external cache: a minute later it would empty this
    # kernel of all that had been sent to it.
    flows -n
    ;;
*)
    # FAULT, or STOP when keepalived ends.
    tell fault
    ;;
esac
"""


def neighbour_settings(node: Node) -> list[str]:
    """Returns the sysctls to be set to SOLICIT_AGAIN; with slashes, because an interface's name may contain a dot."""
    legs = [leg.interface for leg in (node.service, node.backend) if leg.address_of(6)]
    return [f"net/ipv6/neigh/{name}/retrans_time_ms" for name in dict.fromkeys(legs)]


def sysctl_conf(node: Node) -> str:
    """Returns the kernel settings of a node, as a file for sysctl.d."""
    again = "".join(f"{name} = {SOLICIT_AGAIN}\n" for name in neighbour_settings(node))
    reason = """\
# The kernel asks for its neighbours from an IPv6 address that has just come here, but takes packets to it only a moment
# later. An answer in between is lost: it is to ask again at once, and not after a second in which nobody is served.
"""
    return f"""\
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
# A packet in the middle of a connection that nobody knows makes no new flow: it is answered with a reset, so that the
# client notices at once what did not survive, instead of waiting for an answer that never comes.
net.netfilter.nf_conntrack_tcp_loose = 0
{reason + again if again else ""}"""
