"""apply(): farms in the kernel without a guardian; the program's side of `noidlb apply`."""

from __future__ import annotations

import pytest
from noidlb import Configuration, GuardError, KernelError, Overrides, apply
from noidlb.config.load import parse
from noidlb.guardian import lock

from tests.support.lb.balancer import BOTH, ONE, Balancer


def test_farms_are_in_the_kernel_and_what_changed_is_returned(balancer: Balancer) -> None:
    assert apply(parse(BOTH)) == ["the table is made, with 2 farms"]
    assert apply(parse(BOTH)) == []
    assert apply(parse(BOTH).farms, Overrides(all_stopped=True))[0].endswith("of farm public-ftp: refuses its clients")
    assert balancer.changes == 2
    assert lock.holder() == ""


def test_flows_in_udp_end_with_their_farm_and_others_when_they_are_cut(balancer: Balancer) -> None:
    apply(parse(BOTH))
    apply(parse(ONE))
    ((*words, _),) = balancer.cuts()
    assert words == ["-D", "-f", "ipv4", "-p", "udp", "-m"]
    apply(parse(BOTH), cut=True)
    apply(parse(ONE.replace("10.0.1.12", "10.0.1.13")), cut=True)
    assert [words[:-1] for words in balancer.cuts()[1:]] == [["-D", "-f", "ipv4", "-m"]] * 2


def test_a_guardian_keeps_its_table(balancer: Balancer) -> None:
    with lock.take(), pytest.raises(GuardError, match="another guardian watches this table already"):
        apply(Configuration(parse(ONE).farms))
    assert balancer.changes == 0


def test_a_refusal_is_an_error_and_the_lock_is_free(balancer: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise KernelError("the kernel refuses nft")

    monkeypatch.setattr("noidlb.nft.nft.read", refuse)
    with pytest.raises(KernelError):
        apply(parse(ONE))
    assert lock.holder() == ""
