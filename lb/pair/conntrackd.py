"""Writes conntrackd.conf, the notify script and the kernel settings of one node: values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..address import address_order
from ..config.pair import Node, Pair
from .rules import LOST

HASH_LIMIT = 2**31 - 1
"""The most flows in conntrackd's cache: the largest number that it reads, so that only the kernel's own limit counts.

conntrackd is silent about flows for which it has no room, and never copies them.
"""
SOLICIT_AGAIN = 100
"""Milliseconds between neighbour solicitations; after three without an answer the kernel waits for the next packet."""


def conntrackd_conf(pair: Pair, node: Node, run: Path) -> str:
    """Returns conntrackd.conf; run is the folder of its lock and socket."""
    here, there = node.sync.address[0].ip, pair.peer(node).sync.address[0].ip
    family = f"IPv{here.version}"
    # The nodes' own flows, such as the checks of the guardian, are useless on the other node.
    own = sorted({address for one in pair.nodes for address in one.addresses}, key=address_order)
    ignored = "\n".join(f"                IPv{one.version}_address {one}" for one in own)
    port = "IPv4_Destination_Address" if here.version == 4 else "IPv6_Destination_Address"
    return f"""\
Sync {{
    Mode FTFW {{
        # Flows go straight into the standby's kernel, so that at a crash it knows every flow when its packets arrive.
        DisableExternalCache yes
        # Else the serving node too would request all flows after its start, and have its own replaced by copies, which
        # lack by how much the kernel has shifted sequence numbers. The notify script decides who requests them.
        StartupResync no
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
        # The standby sees no packets, so it cannot track TCP windows: it must accept flows in any window.
        TCPWindowTracking off
        ExpectationSync {{
            ftp
            tftp
        }}
    }}
}}
General {{
    Systemd on
    HashSize 131072
    # No limit but the kernel's nf_conntrack_max: flows that find no room here would be lost at a take-over.
    HashLimit {HASH_LIMIT}
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
            # Only addresses that never move. A VIP here would exclude all flows of its farm.
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
        f"    forget -f {family} -p tcp --orig-port-dst {port} -m {lost:#x}/{lost:#x}"
        for port in control_ports
        for lost in LOST
        for family in ("ipv4", "ipv6")
    )
    return f"""\
#!/bin/sh
# keepalived appends: GROUP or INSTANCE, its name, the state and the priority. After the start of conntrackd, its unit
# runs this script too, with the state STARTED.
state=$3
untold=

flows() {{
    conntrackd -C {folder}/conntrackd.conf "$@"
}}

# keepalived does not wait for a run of this script before it starts the next one. Where both nodes serve for a moment,
# it starts two within milliseconds, and the later one may be faster. So the run that was started last decides: its
# number, by the time of its start and then by its process id, is in the file order.
read -r boot </proc/sys/kernel/random/boot_id
read -r stat </proc/self/stat
set -- ${{stat%% *}} ${{stat##*) }}
number=$((${{21:-0}} * 10000000 + ${{1:-0}}))

# Whether this node still serves, which a later run may have changed. Where the role cannot be written, nothing tells.
serves() {{
    [ -n "$untold" ] || [ "$(cat {run}/role 2>/dev/null)" = master ]
}}

# conntrackd would tell the other node that a flow is gone, which serves it when this one does not.
forget() {{
    serves && conntrack -D "$@" >/dev/null 2>&1
}}

# The flows of the other node are in this kernel only: -R reads them into conntrackd's cache, and -B sends all of them,
# because the other node may have missed some.
send() {{
    if serves; then flows -R; fi
    if serves; then flows -B; fi
}}

# Requests all flows of the other node, which replace those in this kernel. Not -t, which is for the external cache:
# after a minute it would delete the received flows from this kernel.
receive() {{
    flows -n
}}

# Writes a file atomically. It is created outside the folder and renamed into it: a user who can write in the folder
# could place a link there, which a redirection would follow and a rename replaces.
put() {{
    new=$(mktemp {run.parent}/.noidlb-$1.XXXXXX) || return
    if ! {{ echo "$2" >"$new" && chmod 0644 "$new" && mv -fT "$new" {run}/$1; }}; then
        rm -f "$new"
        logger -t noidlb-pair "the $1 $2 cannot be written to {run}/$1" 2>/dev/null
        return 1
    fi
}}

# Writes the role, and ends this run when a later one has done so.
tell() {{
    untold=yes
    mkdir -p {run} || return
    {{
        flock 9
        last=$(cat {run}/order 2>/dev/null)
        if [ "${{last% *}}" = "$boot" ] && [ "${{last#* }}" -gt "$number" ]; then exit 0; fi
        put order "$boot $number"
        if put role "$1"; then untold=; fi
    }} 9<"$0"
}}

case $state in
MASTER)
    tell master
    # Deletes the flows of FTP sessions whose sequence numbers the other node had shifted: the client's next command is
    # answered with a reset instead of never. Their data connections go on.
{forget}
    send
    ;;
BACKUP)
    tell backup
    receive
    ;;
STARTED)
    if serves; then send; else receive; fi
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
# After a take-over the kernel solicits its neighbours from the new IPv6 address a moment before it accepts packets to
# it, and loses answers in between. It asks again after 100 ms instead of a second.
"""
    return f"""\
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
# A TCP packet of an unknown connection creates no flow and is answered with a reset, so that a client learns at once
# that its connection was lost.
net.netfilter.nf_conntrack_tcp_loose = 0
{reason + again if again else ""}"""
