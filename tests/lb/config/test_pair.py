from __future__ import annotations

import tomllib
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from pathlib import Path

from noidlb.config.load import from_document, parse
from noidlb.config.pair import with_sources
from noidlb.farm import Mode
from noidlb.nft.compile import compile_table
from noidlb.nft.marks import Marks

from tests.support.lb.pairs import ftp, node, pair

VALID = (Path(__file__).parents[1] / "valid" / "pair.toml").read_text()


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
    assert both.peer(node(1)) == node(2)
    assert both.peer(node(2)) == node(1)


def test_farms_get_the_moving_source() -> None:
    (one,) = parse(VALID).farms
    assert one.source == (ip_address("10.20.0.100"),)
    own = replace(ftp(), source=(ip_address("10.20.0.99"),))
    # In IPv4, in which it has one.
    assert with_sources((own,), pair())[0].source == (ip_address("10.20.0.99"), ip_address("fd00:20::100"))
    assert with_sources((own,), pair("10.20.0.100")) == (own,)
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
