from __future__ import annotations

import tomllib
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from pathlib import Path

from noidlb.config.load import from_document, parse
from noidlb.config.pair import Pair, with_sources
from noidlb.farm import Farm, Mode, Protocol
from noidlb.finding import FAULT, NOTE, OK, WARN
from noidlb.nft.compile import compile_table
from noidlb.nft.marks import Marks
from noidlb.pair.check import look_at

from tests.support.lb.pairs import backend, ftp, leg, node, pair

VALID = (Path(__file__).parents[1] / "valid" / "pair.toml").read_text()


def sftp() -> Farm:
    v4 = (ip_address("10.10.0.100"),)
    return ftp(name="sftp", protocol=Protocol.SFTP, vip=v4, backends=(backend("b1", "10.20.0.9"),))


def found(both: Pair, *farms: Farm) -> dict[str, set[str]]:
    levels: dict[str, set[str]] = {}
    for one in look_at(both, with_sources(farms, both)):
        levels.setdefault(one.level, set()).add(one.subject)
    return levels


def test_reads_every_key() -> None:
    text = VALID.replace(
        "[pair]\n",
        '[pair]\nrouter-ids = [1, 2]\nadvert-interval = "1s"\npreempt = true\npreempt-delay = "5s"\nsync-port = 4000\n',
    )
    read = parse(text).pair
    assert read is not None
    assert (read.router_ids, read.advert_interval, read.preempt, read.preempt_delay) == ((1, 2), 1.0, True, 5.0)
    assert (read.sync_port, read.source) == (4000, (ip_address("10.20.0.100"),))
    assert read.nodes[1].service.address == (ip_interface("10.10.0.3/24"),)
    assert [one.priority for one in read.nodes] == [130, 110]


def test_there_need_not_be_a_pair() -> None:
    assert parse(VALID[VALID.index("[farms") :]).pair is None


def test_knows_its_nodes() -> None:
    both = pair()
    assert both.node("lb1") == node(1)
    assert both.node("lb3") is None
    assert both.peer(node(1)) == node(2)
    assert both.peer(node(2)) == node(1)


def test_farms_get_the_moving_source() -> None:
    (one,) = parse(VALID).farms
    assert one.source == (ip_address("10.20.0.100"),)
    own = replace(ftp(), source=(ip_address("10.20.0.99"),))
    assert with_sources((own,), pair()) == (own,)
    direct = ftp(mode=Mode.DNAT)
    assert with_sources((direct,), pair()) == (direct,)


def test_ids_and_marks_do_not_depend_on_the_node() -> None:
    names = ["a", "b", "c"]
    text = VALID + "".join(
        f'[farms.{name}]\nprotocol = "sftp"\nvip = "10.10.0.{number}"\n'
        'backends = [{ name = "x", address = "10.20.0.111" }, { name = "y", address = "10.20.0.112" }]\n'
        for number, name in enumerate(names, 50)
    )
    document = tomllib.loads(text)
    # The file of the other node may list everything in another order.
    farms = from_document(document).farms
    other = from_document({"farms": dict(reversed(document["farms"].items())), "pair": document["pair"]}).farms
    marks = {one.name: Marks(farms).farm(one) for one in farms}
    assert marks == {one.name: Marks(other).farm(one) for one in other}
    assert compile_table(farms).elements == compile_table(other).elements


def test_nothing_is_in_the_way() -> None:
    assert found(pair(), sftp()) == {OK: {"pair"}}


def test_masquerade_is_a_fault() -> None:
    assert found(pair("fd00:20::100"), ftp())[FAULT] == {"farms.ftp"}


def test_dnat_without_a_gateway_that_moves_is_a_fault() -> None:
    assert found(pair("fd00:20::100"), ftp(mode=Mode.DNAT))[FAULT] == {"farms.ftp"}


def test_sticky_clients_are_forgotten() -> None:
    assert found(pair(), ftp(sticky=60))[WARN] == {"farms.ftp.sticky"}


def test_addresses_of_other_length() -> None:
    levels = found(pair(), ftp(backends=(backend("b1", "10.20.0.9", "fd00:20::9"),)))
    assert levels[WARN] == {"farms.ftp.backends"}
    assert levels[NOTE] == {"farms.ftp.source", "farms.ftp.vip"}
    assert WARN not in found(pair(), sftp())


def test_networks() -> None:
    both = pair("10.99.0.1", "fd00:20::100")
    far = ftp(vip=(ip_address("192.0.2.1"), ip_address("fd00:10::100")))
    assert found(both, far)[WARN] == {"farms.ftp.vip", "farms.ftp.source", "farms.ftp.backends"}


def test_a_sync_link_that_is_shared() -> None:
    shared = Pair(nodes=tuple(replace(one, sync=leg("front", str(one.sync.address[0]))) for one in pair().nodes))
    assert {"pair.nodes.lb1.sync", "pair.nodes.lb2.sync"} <= found(shared, ftp())[WARN]


def test_a_finding_is_one_line() -> None:
    lines = [str(one) for one in look_at(pair("fd00:20::100"), (ftp(sticky=60),))]
    assert [line for line in lines if line.startswith("fault  farms.ftp: masquerades in IPv4: ")]
    assert all("\n" not in line for line in lines)
