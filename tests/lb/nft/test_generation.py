from __future__ import annotations

import pytest
from noidlb.nft import netlink as nfnetlink
from noidlb.nft.generation import generation


@pytest.mark.parametrize(
    ("answer", "found"), [({1: b"\0\0\1\2"}, 258), ({2: b"\0\0\0\7"}, None), ({1: b"\7"}, None), ({}, None)]
)
def test_the_generation_is_the_kernels_answer(
    monkeypatch: pytest.MonkeyPatch, answer: dict[int, bytes], found: int | None
) -> None:
    monkeypatch.setattr(nfnetlink, "ask", lambda *_: answer)
    assert generation() == found


def test_where_the_kernel_knows_no_netfilter_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened() -> None:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(nfnetlink, "opened", opened)
    assert generation() is None
