from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from noidlb.config.mark_layout import Layout
from noidlb.nft import conntrack as flows
from noidlb.nft.flows import Ending
from noidlb.nft.run import KernelError, run

from tests.support.lb.programs import Played

MATCH = (0x101, 0xFFFF)
LISTED = """\
tcp      6 431999 ESTABLISHED src=10.10.0.10 dst=10.10.0.100 sport=1 dport=21 src=10.20.1.2 dst=10.20.1.1 sport=21 dport=1 [ASSURED] mark=2147483905 use=1
tcp      6 431999 ESTABLISHED src=10.10.0.10 dst=10.10.0.100 sport=2 dport=4000 src=10.20.1.2 dst=10.20.1.1 sport=21 dport=1 [ASSURED] mark=2147483905 use=1
tcp      6 110 TIME_WAIT src=10.10.0.10 dst=10.10.0.100 sport=3 dport=21 src=10.20.1.2 dst=10.20.1.1 sport=21 dport=1 [ASSURED] mark=2147483905 use=1
tcp      6 9 CLOSE src=10.10.0.10 dst=10.10.0.100 sport=4 dport=21 src=10.20.1.2 dst=10.20.1.1 sport=21 dport=1 [ASSURED] mark=2147483905 use=1
udp      17 29 src=10.10.0.10 dst=10.10.0.100 sport=5 dport=69 [UNREPLIED] src=10.20.1.2 dst=10.20.1.1 sport=69 dport=5 mark=514 use=1
udp      17 29 src=10.10.0.10 dst=10.10.0.1 sport=5 dport=53 [UNREPLIED] src=10.10.0.1 dst=10.10.0.10 sport=53 dport=5 mark=0 use=1
icmp     1 29 src=10.10.0.10 dst=10.10.0.1 type=8 code=0 id=1 src=10.10.0.1 dst=10.10.0.10 type=0 code=0 id=1 mark=1073741824 use=1
"""  # noqa: E501 - as conntrack prints it
SIX = """\
tcp      6 50 CLOSE_WAIT src=fd00::10 dst=fd00::100 sport=4 dport=21 src=fd00::2 dst=fd00::1 sport=21 dport=1 [ASSURED] mark=2147483905 use=1
"""  # noqa: E501


def test_flows_are_counted_by_mark_without_those_that_are_over(conntrack: Played) -> None:
    conntrack.answer("ipv4", out=LISTED, err="conntrack v1.4.7 (conntrack-tools): 7 flow entries have been shown.\n")
    conntrack.answer("ipv6", out=SIX, err="conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n")
    assert flows.count() == {0x8000_0101: 3, 0x202: 1, 0x4000_0000: 1}
    assert [call.arguments for call in conntrack.calls] == [["-L", "-f", "ipv4"], ["-L", "-f", "ipv6"]]


def test_a_list_that_comes_in_pieces_is_counted_whole(conntrack: Played) -> None:
    conntrack.answer("ipv4", out=LISTED * 3000)
    assert flows.count() == {0x8000_0101: 6000, 0x202: 3000, 0x4000_0000: 3000}


def test_a_list_may_be_of_any_size(conntrack: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    conntrack.answer("ipv4", out=LISTED * 3000)
    monkeypatch.setattr(flows, "run", partial(run, limit=1 << 20))
    assert flows.count()[0x202] == 3000


def test_cutting_tells_backends_from_farms(conntrack: Played) -> None:
    conntrack.answer("-D", err="conntrack v1.4.7 (conntrack-tools): 2 flow entries have been deleted.\n")
    layout = Layout(0x0FFF_FFFF)
    assert flows.cut([layout.match(0x8000_0101), layout.match(0x8000_0200)]) == 8
    assert [call.arguments for call in conntrack.calls] == [
        ["-D", "-f", "ipv4", "-m", "0x101/0x7ffffff"],
        ["-D", "-f", "ipv6", "-m", "0x101/0x7ffffff"],
        ["-D", "-f", "ipv4", "-m", "0x200/0x7ffff00"],
        ["-D", "-f", "ipv6", "-m", "0x200/0x7ffff00"],
    ]


def test_cutting_can_spare_what_is_not_udp(conntrack: Played) -> None:
    flows.end(Ending(udp={(4, MATCH)}))
    assert conntrack.calls[0].arguments == ["-D", "-f", "ipv4", "-p", "udp", "-m", "0x101/0xffff"]


def test_nothing_to_cut_is_as_good(conntrack: Played) -> None:
    conntrack.answer("-D", err="conntrack v1.4.7 (conntrack-tools): 0 flow entries have been deleted.\n", code=1)
    assert flows.cut([MATCH]) == 0


def test_the_rest_is_cut_where_a_flow_has_ended_by_itself_meanwhile(conntrack: Played) -> None:
    vanished = "conntrack v1.4.7 (conntrack-tools): Operation failed: such conntrack doesn't exist\n"
    conntrack.answer("-D", "ipv4", out=LISTED[: LISTED.index("\n") + 1], err=vanished, code=1, times=2)
    conntrack.answer("-D", err="conntrack v1.4.7 (conntrack-tools): 3 flow entries have been deleted.\n")
    assert flows.cut([MATCH]) == 1 + 1 + 3 + 3
    assert [call.arguments[2] for call in conntrack.calls] == ["ipv4"] * 3 + ["ipv6"]


@pytest.mark.parametrize("mark", [0, 0x8000_0000, 0x4000_0000])
def test_flows_that_are_no_farms_are_never_cut(conntrack: Played, mark: int) -> None:
    assert flows.cut([Layout(0xFFFF).match(mark)]) == 0
    assert conntrack.calls == []


BEFORE = """\
udp      17 29 src=10.10.0.10 dst=10.10.0.100 sport=7000 dport=69 [UNREPLIED] src=10.10.0.100 dst=10.10.0.10 sport=69 dport=7000 mark=0 use=1
udp      17 29 src=10.10.0.10 dst=10.10.0.101 sport=7000 dport=69 [UNREPLIED] src=10.20.1.2 dst=10.20.1.1 sport=69 dport=7000 mark=514 use=1
udp      17 29 src=10.10.0.11 dst=10.10.0.101 sport=7000 dport=69 packets=1 bytes=40 src=10.20.2.2 dst=10.20.1.1 sport=69 dport=7000 packets=1 bytes=40 mark=0 use=1
udp      17 29 src=10.10.0.12 dst=10.10.0.101 sport=7000 dport=69 src=10.20.2.2 dst=10.20.1.1 sport=70 dport=7000 mark=513 use=1
udp      17 29 src=10.10.0.13 dst=10.10.0.101 sport=7000 dport=69 src=10.20.1.2 dst=10.20.1.1 sport=69 dport=7000 mark=514 use=1
udp      17 29 src=10.10.0.10 dst=10.10.0.100 sport=7000 dport=53 src=10.10.0.100 dst=10.10.0.10 sport=53 dport=7000 mark=0 use=1
"""  # noqa: E501 - as conntrack prints it


def test_of_a_service_that_begins_only_flows_end_that_do_not_lead_to_its_backends(conntrack: Played) -> None:
    conntrack.answer("-L", "ipv4", out=BEFORE)
    conntrack.answer("-D", err="conntrack v1.4.7 (conntrack-tools): 2 flow entries have been deleted.\n")
    served = frozenset({("10.20.2.2", 69), ("10.20.3.2", 69)})
    ending = Ending(elsewhere=dict.fromkeys([("10.10.0.100", 69), ("10.10.0.101", 69), ("fd00::100", 69)], served))
    # The first two lead to no backend and are not counted.
    assert flows.end(ending) == 4
    assert ending == Ending()
    deleted = [call.arguments for call in conntrack.calls if call.arguments[0] == "-D"]
    assert [words[:4] for words in deleted] == [["-D", "-f", "ipv4", "-p"]] * 3
    assert [" ".join(words[4:]) for words in deleted] == [
        "udp -d 10.10.0.100 --dport 69 -r 10.10.0.100 --reply-port-src 69",
        "udp -d 10.10.0.101 --dport 69 -r 10.20.1.2 --reply-port-src 69",
        "udp -d 10.10.0.101 --dport 69 -r 10.20.2.2 --reply-port-src 70",
    ]
    assert sum(call.arguments[0] == "-L" for call in conntrack.calls) == 2, "one listing of each family"


def test_what_is_done_is_not_done_again_after_a_failure(conntrack: Played) -> None:
    conntrack.answer("-D", err="conntrack v1.4.7: Operation not permitted\n", code=1, times=1)
    ending = Ending(marks={(4, MATCH)}, udp={(6, (0x202, 0xFFFF))}, services={("fd00::100", 69)})
    with pytest.raises(KernelError):
        flows.end(ending)
    assert ending.marks == {(4, MATCH)}
    flows.end(ending)
    assert ending == Ending()
    assert conntrack.calls[-1].arguments == ["-D", "-f", "ipv6", "-p", "udp", "-d", "fd00::100", "--dport", "69"]


@pytest.mark.parametrize("act", [flows.count, lambda: flows.cut([MATCH])])
@pytest.mark.parametrize(
    ("complaint", "sentence"),
    [
        ("conntrack v1.4.7 (conntrack-tools): Operation failed: Operation not permitted", "capability CAP_NET_ADMIN"),
        ("conntrack v1.4.7 (conntrack-tools): you must be root", "run it as root"),
        ("conntrack v1.4.7: Operation failed: Protocol not supported", "load the module nf_conntrack_netlink"),
        ("something else", "^conntrack fails: something else$"),
        ("", "^conntrack fails: exit code 1$"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    conntrack: Played, act: Callable[[], object], complaint: str, sentence: str
) -> None:
    conntrack.answer(err=f"{complaint}\n", code=1)
    with pytest.raises(KernelError, match=sentence):
        act()


@pytest.mark.parametrize("act", [flows.count, lambda: flows.cut([MATCH]), flows.version])
@pytest.mark.usefixtures("path")
def test_a_missing_conntrack_names_its_package(act: Callable[[], object]) -> None:
    with pytest.raises(KernelError, match="install the package conntrack"):
        act()
