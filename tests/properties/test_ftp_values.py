"""What stands in FTP replies is read or refused, whatever stands there."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import assume, example, given, strategies as st

from noidchecks.errors import PeerError
from noidchecks.ftp.reply_values import epsv_port, modification_time, pasv_endpoint
from noidchecks.ftp.wire import Reply

pieces = st.sampled_from(
    (b"(", b")", b"|", b",", b" ", b"0", b"1", b"255", b"256", b"65535", b"-", b".", b"\xd9\xa2", b"\x00")
)
texts = st.one_of(st.binary(max_size=60), st.builds(b"".join, st.lists(pieces, max_size=24)))
bytes_of_address = st.tuples(*[st.integers(0, 255)] * 4)
ports = st.integers(1, 65535)
# What a server may write around the numbers; nothing that could be taken for one of them.
words = st.text(alphabet="abc ().-", max_size=12).map(str.encode)


def reads(read: Callable[[Reply], object], code: int, text: bytes) -> object | None:
    """Returns what is read of a reply; None where it is refused, which is the only way not to read it."""
    try:
        return read(Reply(code, b"%d " % code + text + b"\r\n"))
    except PeerError:
        return None


@given(texts)
@example(b"(1,2,3,4,0,0)")
@example(b"(0001,2,3,4,5,6)")
@example(b"1,2,3,4,5,6,7")
def test_an_endpoint_is_an_address_and_a_port_or_refused(text: bytes) -> None:
    found = reads(pasv_endpoint, 227, text)
    if found is None:
        return
    assert isinstance(found, tuple)
    host, port = found
    quads = host.split(".")
    assert len(quads) == 4
    assert all(0 <= int(quad) <= 255 for quad in quads)
    assert 1 <= port <= 65535


@given(words, bytes_of_address, ports, words, st.sampled_from([b",", b", ", b" ,"]))
def test_an_endpoint_is_found_in_any_words(
    before: bytes, quads: tuple[int, ...], port: int, after: bytes, comma: bytes
) -> None:
    numbers = comma.join(b"%d" % number for number in (*quads, port >> 8, port & 255))
    host = ".".join(map(str, quads))
    assert reads(pasv_endpoint, 227, before + numbers + after) == (host, port)


@given(texts)
@example(b"(|||65536|)")
@example(b"(|||00001|)")
@example(b"(|||1|")
@example("(|||٢١|)".encode())
def test_a_port_is_in_its_range_or_refused(text: bytes) -> None:
    found = reads(epsv_port, 229, text)
    assert found is None or (isinstance(found, int) and 1 <= found <= 65535)


@given(words, ports, words, st.integers(33, 126).map(chr))
def test_a_port_is_found_between_any_delimiters(before: bytes, port: int, after: bytes, delimiter: str) -> None:
    # RFC 2428: any printable character, "|" is recommended. A digit would be one of the port.
    assume(delimiter not in "0123456789()")
    assume(b"(" not in before)
    told = f"({delimiter * 3}{port}{delimiter})".encode()
    assert reads(epsv_port, 229, before + told + after) == port


@given(texts)
@example(b"20000230000000")
@example(b"00000101000000")
@example(b"20201301000000")
@example(b"20200101240000")
@example("٢٠٢٠٠١٠١٠٠٠٠٠٠".encode())
def test_a_time_can_be_reckoned_with_or_is_refused(text: bytes) -> None:
    found = reads(modification_time, 213, text)
    if found is not None:
        assert isinstance(calendar.timegm(found), int)  # type: ignore[arg-type]  # six numbers


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), st.sampled_from([b"", b".5", b".123456"]))
def test_a_time_that_was_written_is_read(moment: datetime, fraction: bytes) -> None:
    written = b"%04d%02d%02d%02d%02d%02d" % moment.timetuple()[:6] + fraction
    found = reads(modification_time, 213, written)
    assert found == moment.timetuple()[:6]
    assert calendar.timegm(found) == moment.replace(tzinfo=UTC, microsecond=0).timestamp()


@pytest.mark.parametrize("read", [pasv_endpoint, epsv_port, modification_time])
def test_a_long_reply_is_read_in_no_time(read: Callable[[Reply], object]) -> None:
    # Quadratic reading of 64 KiB would take minutes, and run into the time limit of the tests.
    for text in (b"(" * 65536, b"1," * 32768, b"(|||" * 16384, b"9" * 65536):
        assert reads(read, 227, text) is None
