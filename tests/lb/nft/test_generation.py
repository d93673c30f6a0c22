"""The generation of the kernel's tables."""

from __future__ import annotations

import socket

import pytest
from noidlb.nft import generation as module, nfnetlink
from noidlb.nft.generation import Generation, generation


class Asked(socket.socket):
    """A socket that knows the cookie of its network namespace."""

    def __init__(self, cookie: bytes) -> None:
        super().__init__(socket.AF_UNIX)
        self._cookie = cookie

    def getsockopt(self, *_: object) -> bytes:  # type: ignore[override]  # the one option that is asked for
        if not self._cookie:
            raise OSError(92, "Protocol not available")
        return self._cookie


@pytest.mark.parametrize(
    ("cookie", "number", "found"),
    [
        (b"\x02\x10\0\0\0\0\0\0", b"\0\0\0\7", 7),
        # Before Linux 5.14.
        (b"", b"\0\0\0\7", None),
        (bytes(8), b"\0\0\0\7", None),
        (b"\x02\x10\0\0\0\0\0\0", b"", None),
    ],
)
def test_it_counts_in_one_boot_of_one_namespace(
    monkeypatch: pytest.MonkeyPatch, cookie: bytes, number: bytes, found: int | None
) -> None:
    monkeypatch.setattr(nfnetlink, "opened", lambda: Asked(cookie))
    monkeypatch.setattr(nfnetlink, "ask", lambda *_: {1: number})
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot = file.read().strip()
    assert generation() == (None if found is None else Generation(f"{boot}/1002", found))


def test_where_the_kernel_tells_nothing_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BOOT", "/nowhere")
    assert generation() is None
