from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from noidlb.config.load import Configuration, digest_of
from noidlb.config.pair import with_sources
from noidlb.doctor import pair as pair_doctor
from noidlb.doctor.finding import FAULT, NOTE, OK, WARN, Finding
from noidlb.doctor.pair import examine_pair, judge_counters, this_node
from noidlb.farm import Mode, Protocol
from noidlb.nft import nft as kernel
from noidlb.nft.run import Answer, KernelError
from noidlb.pair.files import NAMES, files_of, write_files

from noidchecks import __version__
from tests.support.lb.pairs import ftp, node, pair

COUNTERS = """\
cache internal:
current active connections:                   12
connections created:                          20        failed:            {refused}
connections updated:                           3        failed:            4
connections destroyed:                         5        failed:            6

external inject:
connections created:                          30        failed:            7
connections updated:                           0        failed:            0
connections destroyed:                         0        failed:            0

UDP traffic (active device=sync):
                1208 Bytes sent                 1416 Bytes recv
                  {sent} Pckts sent                   {received} Pckts recv
                   {errors} Error send                    0 Error recv
message tracking:
                   0 Malformed msgs                    {lost} Lost msgs
"""
TEXT = "the farms file"
# As nft lists the table of noidlb_pair.nft, shortened.
LOADED = """\
table inet noidlb_pair {
	chain forwarded {
		type filter hook forward priority -1; policy accept;
	}
}
"""
OWN = {str(one) for one in node(1).addresses}
MOVING = {"10.10.0.100", "fd00:10::100", "10.20.0.100", "fd00:20::100"}
Look = Callable[..., dict[str, Finding]]


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Examines lb1, by the addresses that it has and the role in the file."""

    def answer(argv: list[str], timeout: float) -> Answer:
        counters = COUNTERS.format(sent=5, received=7, errors=0, lost=0, refused=0)
        return Answer(0, (counters if "-s" in argv else f"{Path(argv[0]).name} 1.0\n").encode(), "")

    monkeypatch.setattr(kernel, "ruleset", lambda: LOADED)
    monkeypatch.setattr(pair_doctor, "find", lambda name, _: name)
    monkeypatch.setattr(pair_doctor, "run", answer)
    both = pair()

    def examined(
        here: set[str],
        role: str = "",
        text: str = TEXT,
        loose: str = "0\n",
        again: str = "100\n",
        without: str = "",
        room: str = "",
        **settings: object,
    ) -> dict[str, Finding]:
        farms = with_sources((ftp(**settings),), both)
        write_files(files_of(both, node(1), Configuration(farms, text=TEXT), tmp_path, tmp_path), tmp_path)
        if without:
            (tmp_path / without).unlink()
        if room:
            conf = tmp_path / "conntrackd.conf"
            conf.write_text(re.sub("HashLimit .*", room, conf.read_text()))
        if role:
            (tmp_path / "role").write_text(f"{role}\n")
        (tmp_path / "proc/sys/net/netfilter").mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc/sys/net/netfilter/nf_conntrack_tcp_loose").write_text(loose)
        (tmp_path / "proc/sys/net/netfilter/nf_conntrack_max").write_text("262144\n")
        for name in ("front", "back"):
            (tmp_path / f"proc/sys/net/ipv6/neigh/{name}").mkdir(parents=True, exist_ok=True)
            (tmp_path / f"proc/sys/net/ipv6/neigh/{name}/retrans_time_ms").write_text(again)
        now = Configuration(farms, text=text)
        found = examine_pair(both, now, tmp_path, tmp_path, lambda one: str(one) in here, tmp_path)
        return {one.subject: one for one in found}

    return examined


def test_a_node_that_serves(look: Look) -> None:
    found = look(OWN | MOVING, "master")
    assert found["role"] == Finding(OK, "role", "lb1 serves")
    assert found["synchronization"] == Finding(OK, "synchronization", "5 sent, 7 received, 0 errors, 0 lost")
    assert found["keepalived.conf"].level == found["conntrackd.conf"].level == OK
    same = "must say the same on lb2"
    assert found["farms file"] == Finding(NOTE, "farms file", f"{digest_of(TEXT)[:12]}: noidlb pair --hash {same}")
    assert found["noidlb"] == Finding(NOTE, "noidlb", f"{__version__}: noidlb --version {same}")
    assert not [one for one in found.values() if one.level in (WARN, FAULT)]


def test_a_node_that_stands_by(look: Look) -> None:
    assert look(OWN, "backup")["role"] == Finding(OK, "role", "lb1 stands by")


@pytest.mark.parametrize(
    ("here", "role", "level"),
    [
        (OWN | {"10.10.0.100"}, "master", FAULT),
        (OWN, "master", FAULT),
        (OWN | MOVING, "backup", FAULT),
        (OWN, "fault", FAULT),
        (OWN, "", WARN),
    ],
)
def test_roles_that_do_not_fit(look: Look, here: set[str], role: str, level: str) -> None:
    assert look(here, role)["role"].level == level


def test_the_address_by_which_backends_route_moves_too(look: Look) -> None:
    """Farms in mode dnat have no source, but keepalived moves the pair's, which is the backends' default route."""
    for here, role in ((MOVING - {"10.20.0.100"}, "master"), ({"10.20.0.100"}, "backup")):
        found = look(OWN | here, role, mode=Mode.DNAT)["role"]
        assert (found.level, "lb1 has some of the moving addresses but not " in found.text) == (FAULT, True)
    assert look(OWN | MOVING, "master", mode=Mode.DNAT)["role"] == Finding(OK, "role", "lb1 serves")


def test_a_table_that_is_not_loaded(look: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A guardian restores its own table after a flush, but not this one."""
    subject = "table inet noidlb_pair"
    assert look(OWN, "backup")[subject] == Finding(OK, subject, "is in the kernel")
    for rules in ("", "table inet noidlb {\n}\n", LOADED.replace("{\n", "{\n\tflags dormant\n", 1)):
        monkeypatch.setattr(kernel, "ruleset", lambda rules=rules: rules)
        found = look(OWN, "backup")[subject]
        assert (found.level, found.cure.partition(",")[0]) == (FAULT, f"nft -f {tmp_path}/noidlb_pair.nft")
    assert subject not in look(OWN, "backup", protocol=Protocol.SFTP)

    def fail() -> str:
        raise KernelError("no")

    monkeypatch.setattr(kernel, "ruleset", fail)
    assert look(OWN, "backup")[subject].level == WARN


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_missing(look: Look, tmp_path: Path, name: str) -> None:
    assert look(OWN, "backup")[name] == Finding(OK, name, "is from this farms file")
    assert look(OWN, "backup", without=name)[name].level == WARN


@pytest.mark.parametrize(
    ("change", "level"),
    [
        (lambda text: text, OK),
        (lambda text: text.replace(digest_of(TEXT)[:12], digest_of("other farms")[:12]), OK),
        (lambda text: text.replace("Port 3780", "Port 3781"), WARN),
        # Debian's own: its unit has been told to read the original.
        (lambda text: "#\n# Synchronizer settings\n#\nSync {\n}\n", OK),
    ],
)
def test_the_copy_that_conntrackd_reads(look: Look, tmp_path: Path, change: Callable[[str], str], level: str) -> None:
    look(OWN, "backup")
    copy = tmp_path / "etc/conntrackd/conntrackd.conf"
    copy.parent.mkdir(parents=True)
    copy.write_text(change((tmp_path / "conntrackd.conf").read_text()))
    found = look(OWN, "backup")["conntrackd.conf"]
    assert found.level == level
    assert found.cure == (
        "" if level == OK else f"cp {tmp_path}/conntrackd.conf {copy}, and systemctl restart conntrackd"
    )


def test_another_machine(look: Look) -> None:
    assert look({"192.0.2.1"})["node"].level == FAULT
    assert "172.31.0.1" in look(OWN - {"172.31.0.1"}, "backup")["node"].text


def test_files_from_another_farms_file(look: Look) -> None:
    found = look(OWN, "backup", text="changed")
    assert found["keepalived.conf"].level == found["conntrackd.conf"].level == WARN


@pytest.mark.parametrize(
    ("code", "sent", "received", "errors", "lost", "level"),
    [(0, 1, 1, 0, 0, OK), (0, 1, 0, 0, 0, FAULT), (0, 1, 1, 2, 0, WARN), (0, 1, 1, 0, 2, WARN), (1, 1, 1, 0, 0, FAULT)],
)
def test_counters(code: int, sent: int, received: int, errors: int, lost: int, level: str) -> None:
    text = COUNTERS.format(sent=sent, received=received, errors=errors, lost=lost, refused=0)
    assert judge_counters(code, text).level == level


def test_flows_that_conntrackd_had_no_room_for() -> None:
    found = judge_counters(0, COUNTERS.format(sent=5, received=7, errors=0, lost=0, refused=48928))
    assert found.level == WARN
    assert "48928 flows not copied since conntrackd started" in found.text


@pytest.mark.parametrize(
    ("room", "level"),
    [
        ("HashLimit 131072", WARN),
        ("HashLimit 524287", WARN),
        ("HashLimit 524288", OK),
        (f"HashLimit {2**31 - 1}", OK),
        ("HashLimit many", OK),
        ("HashLimit " + "9" * 10_000, OK),
    ],
)
def test_room_for_all_flows_of_the_kernel(look: Look, room: str, level: str) -> None:
    found = look(OWN, "backup", room=room)["conntrackd.conf"]
    assert found.level == level
    assert ("nf_conntrack_max, 262144" in found.text) is (level == WARN)


def test_counters_that_nobody_understands() -> None:
    assert judge_counters(0, "cache internal:\n").level == FAULT


def test_a_kernel_that_asks_its_neighbours_seldom(look: Look) -> None:
    found = look(OWN, "backup", again="1000\n")
    for name in ("front", "back"):
        one = found[f"net/ipv6/neigh/{name}/retrans_time_ms"]
        assert one.level == WARN
        assert one.text.startswith("is 1000: ")
    assert look(OWN, "backup")["net/ipv6/neigh/front/retrans_time_ms"] == Finding(
        OK, "net/ipv6/neigh/front/retrans_time_ms", "100"
    )


def test_a_kernel_that_takes_up_any_stream(look: Look) -> None:
    assert look(OWN, "backup", loose="1\n")["net.netfilter.nf_conntrack_tcp_loose"].level == WARN


def test_a_node_is_known_by_any_of_its_addresses() -> None:
    assert this_node(pair(), lambda one: one == ip_address("10.20.0.3")) == node(2)
    assert this_node(pair(), lambda _: False) is None
