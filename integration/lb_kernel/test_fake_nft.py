"""The fake nft of the unit tests takes what the kernel takes, and refuses what the kernel refuses."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from noidlb.nft import nft as kernel
from noidlb.nft.compile import compile_table
from noidlb.nft.run import KernelError
from noidlb.nft.skeleton import skeleton
from noidlb.nft.table import Table, render, transactions

from tests.support.lb.fake_nft import FakeNft
from tests.support.lb.farms import conditions, farm, farm_sets

pytestmark = pytest.mark.root

TABLE = compile_table((farm(),))
CHAIN = next(name for name in TABLE.chains if name.startswith("rr4-"))
MARK, ADDRESS = next(iter(TABLE.of("backend4").items()))


def element(verb: str, name: str, words: str) -> str:
    return f"{verb} element inet noidlb {name} {{ {words} }}\n"


FREE = element("add", "ftp4", "192.0.2.1 . 21")
REFUSED = {
    "an element with another value": element("add", "backend4", f"{MARK} : 10.20.9.9 . 21"),
    "an element that is absent": element("delete", "backend4", "0x12345678"),
    "an element of a map that is absent": element("add", "backend5", f"{MARK} : {ADDRESS}"),
    "a verdict to a chain that is absent": element("add", "pick4", "0x12345678 : jump rr4-7-7"),
    "a chain that an element leads to": f"flush chain inet noidlb {CHAIN}\ndelete chain inet noidlb {CHAIN}\n",
    "a chain that is absent": "delete chain inet noidlb rr4-7-7\n",
    "no command": "become inet noidlb\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_both_refuse_it_and_apply_nothing_of_it(text: str) -> None:
    kernel.remove()
    kernel.run(render(TABLE))
    fake = FakeNft()
    fake.run(render(TABLE))
    for run in (kernel.run, fake.run):
        with pytest.raises(KernelError):
            run(FREE + text)
    found = kernel.read()
    assert found is not None
    assert found.table == fake.table == TABLE
    # What stands before the fault is fine by itself.
    kernel.run(FREE)
    fake.run(FREE)


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_both_have_the_same_table_after_any_changes(data: st.DataObject) -> None:
    kernel.remove()
    fake, now = FakeNft(), Table()
    kernel.run(skeleton(now.layout))
    fake.run(skeleton(now.layout))
    for _ in range(data.draw(st.integers(1, 3))):
        farms = data.draw(farm_sets())
        wanted = compile_table(farms, data.draw(conditions(farms)))
        for batch in transactions(now, wanted):
            kernel.run(batch)
            fake.run(batch)
        found = kernel.read()
        assert found is not None
        assert found.table == fake.table == wanted
        now = wanted


def test_both_make_a_table_again_in_one_transaction() -> None:
    fake = FakeNft()
    kernel.remove()
    for text in (render(TABLE), f"delete table inet noidlb\n{render(TABLE)}"):
        kernel.run(text)
        fake.run(text)
    found = kernel.read()
    assert found is not None
    assert found.table == fake.table == TABLE
    fake.run("delete table inet noidlb\n")
    assert fake.read() is None
