"""Tests of noidchecks.status.gate."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from noidchecks import LocalError, PeerError
from noidchecks.status.gate import Gate

anything = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100),
    st.text(alphabet="|<>/!ab1_ \r\n\t\x1b\x00\u202e\u2066\ud800\xa0é", max_size=100),
)


@pytest.mark.parametrize(
    ("secrets", "raw", "text"),
    [
        ((), "530 sesame", "530 sesame"),
        (("sesame",), "530 sesame|sesames", "530 **** ****s"),
        (("sesame",), b"530 sesame\xff", "530 ****\\xff"),
        (("same", "sesame"), "sesame same", "**** ****"),
        (("a|b<c",), "no a|b<c here", "no **** here"),
        (("gr\xfc\xdfe",), "gr\xfc\xdfe".encode(), "****"),
        (("\udcfc\udcdfxy",), b"\xfc\xdfxy!", "****!"),
        (("pw",), "the pwd", "****"),
        (("",), "nothing", "nothing"),
        (("sesame",), "\ud800 sesame", "\\ud800 ****"),
    ],
)
def test_secrets_do_not_come_through_the_gate(secrets: tuple[str, ...], raw: bytes | str, text: str) -> None:
    assert Gate(secrets).words(raw) == text


def test_a_secret_is_masked_before_the_text_is_cut() -> None:
    gate = Gate(("sesame",))
    assert all("ses" not in gate.words("x" * length + "sesame" * 10, 20) for length in range(25))


@pytest.mark.parametrize(
    ("secret", "message", "received", "told"),
    [
        ("sesame", "login: no sesame", b"no sesame", "login: no ****"),
        ("a|bcd", "login: no a bcd", b"", "login: no ****"),
        # A short one counts where the peer has said it.
        ("in", "login: refused", b"refused", "login: refused"),
        ("in", "login: in again", "in again", "****"),
    ],
)
def test_errors_conceal_secrets(secret: str, message: str, received: bytes | str, told: str) -> None:
    error = PeerError(message, expected="", received=received)
    for _ in range(2):
        Gate((secret,)).conceal(error)
        assert (error.message, str(error)) == (told, told)
        assert secret not in str(error.received)
    plain = LocalError("no sesame")
    Gate(("sesame",)).conceal(plain)
    assert plain.message == "no ****"


@given(anything, st.text("abc|< é", min_size=4, max_size=8).filter(str.strip), anything, st.integers(3, 300))
def test_no_text_brings_a_secret_through(before: bytes | str, secret: str, behind: bytes | str, limit: int) -> None:
    said = b"".join(one if isinstance(one, bytes) else one.encode(errors="replace") for one in (before, secret, behind))
    text = Gate((secret,)).words(said, limit)
    assert len(text) <= limit
    assert "|" not in text
    # What the mask itself lets arise is not of the peer.
    assert secret not in text.replace("****", "\0")
