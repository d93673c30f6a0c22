"""Listings and files, at servers that misbehave: both drivers, both families."""

from __future__ import annotations

import pytest

from noidchecks import File, Listing, Login, PeerError, Range, State
from tests.support.ftp import Answer, give, reset_data
from tests.support.ftp_servers import DIGEST, Ask, NewServer

pytestmark = pytest.mark.usefixtures("nothing_left", "short_patience")


@pytest.mark.parametrize(
    ("listing", "text"),
    [
        (Listing(), "list]"),
        (Listing("pub"), "list pub]"),
        (Listing(min_files=1, max_files=1), "list 1 files]"),
        (Listing(min_files=2), "list: 1 files, expected at least 2"),
        (Listing("pub", max_files=0), "list pub: 1 files, expected at most 0"),
    ],
)
def test_listings(ask: Ask, new_server: NewServer, listing: Listing, text: str) -> None:
    result = ask(new_server(), listing=listing)
    assert result.text.endswith(text)
    assert result.ok is text.endswith("]")
    assert ("files" in {metric.label for metric in result.metrics}) is listing.counts


@pytest.mark.parametrize("answer", [b"550 No files found.\r\n", b"450 /pub: no files found\r\n", give(b"")])
def test_an_empty_folder_has_no_names(ask: Ask, new_server: NewServer, answer: Answer) -> None:
    """The ftpd of BSD and its kin refuse to list them."""
    assert ask(new_server(NLST=answer), listing=Listing("pub", max_files=0)).text.endswith(", list pub 0 files]")
    result = ask(new_server(NLST=answer), listing=Listing("pub", min_files=1), data="both")
    assert result.text == "FTP CRITICAL - list pub: 0 files, expected at least 1"


@pytest.mark.parametrize(("data", "name"), [("", ""), ("passive", ""), ("both", ""), ("both", "pub")])
def test_a_folder_that_cannot_be_listed_is_told_once(ask: Ask, new_server: NewServer, data: str, name: str) -> None:
    server = new_server(NLST=b"550 no such folder\r\n")
    result = ask(server, listing=Listing(name, min_files=1), **({"data": data} if data else {}))
    task = f"list {name}" if name else "list"
    assert result.text == f"FTP CRITICAL - {task}: NLST refused: 550 no such folder"
    assert [command.split()[0] for command in server.commands].count("NLST") == 1


def test_a_listing_ends_somewhere(ask: Ask, new_server: NewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidchecks.ftp.session._LISTING_LIMIT", 1000)
    result = ask(new_server(LIST=give(b"x" * 100_000)), listing=Listing())
    assert result.state == State.CRITICAL
    assert result.text.endswith("more than 1000 bytes")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (File("hello.txt", size=Range(14, 14), sha256=DIGEST, contains=b"o, w"), "get hello.txt 14 bytes]"),
        (File("hello.txt", size=Range(0, 9)), "get hello.txt: size: expected 9 bytes, received 14 bytes"),
        (File("hello.txt", sha256="0" * 64), f"get hello.txt: SHA-256: expected {'0' * 64}, received {DIGEST}"),
        (File("hello.txt", contains=b"moon"), "get hello.txt: does not contain 'moon'"),
        (File("hello.txt", limit=5), "CRITICAL - get hello.txt: more than 5 bytes"),
        (File("nosuch"), "get nosuch: RETR refused: 550 no such file"),
        (File("-x"), "get -x: RETR refused: 550 no such file"),
    ],
)
def test_files(ask: Ask, new_server: NewServer, file: File, text: str) -> None:
    result = ask(new_server(), get=file)
    assert result.text.endswith(text), result.text
    assert result.ok is text.endswith("]")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"213 20990101000000.123\r\n", "get hello.txt 14 bytes]"),
        (b"213 20200101000000\r\n", "s"),
        (b"213 yesterday\r\n", "get hello.txt: MDTM: the reply 213 holds no time"),
        (b"502 no\r\n", "get hello.txt: no age, MDTM refused: 502 no"),
    ],
)
def test_ages(ask: Ask, new_server: NewServer, answer: bytes, text: str) -> None:
    result = ask(new_server(MDTM=answer), get=File("hello.txt", max_age=3600))
    assert result.text.endswith(text), result.text
    assert result.ok is text.endswith("]")
    assert ("age: expected at most 3600s" in result.text) is (text == "s")


def test_a_reset_transfer_is_no_file(ask: Ask, new_server: NewServer) -> None:
    result = ask(new_server(RETR=reset_data), get=File("hello.txt"))
    assert result.text.startswith("FTP CRITICAL - get hello.txt: data channel: EPSV ")
    assert result.text.endswith("Connection reset by peer (426 broken off)")


def test_the_part_that_decides_comes_first(ask: Ask, new_server: NewServer) -> None:
    result = ask(new_server(), warning=Range(10, 20), get=File("hello.txt", contains=b"moon"))
    assert result.text.startswith("FTP CRITICAL - get hello.txt: does not contain 'moon'; Connection time ")
    slow = ask(new_server(), warning=Range(10, 20), login=Login())
    assert slow.text.startswith("FTP WARNING - 0.")


@pytest.mark.parametrize("answer", [b"550 gone\r\n", b"150 here it comes\r\n451 disk\r\n"])
def test_a_refused_transfer_is_an_error_of_the_peer(ask: Ask, new_server: NewServer, answer: bytes) -> None:
    result = ask(new_server(RETR=answer), get=File("hello.txt"))
    assert isinstance(result.failure, PeerError)
    assert result.failure.received == answer[-len(b"550 gone\r\n") :]
    assert result.to_dict()["failure"] == {"kind": "PeerError", "phase": result.failure.phase}


@pytest.mark.parametrize("refusal", [b"502 what\r\n", b"550 Permission denied.\r\n", b"451 no\r\n"])
def test_a_server_that_refuses_mdtm_is_asked_with_mlst(ask: Ask, new_server: NewServer, refusal: bytes) -> None:
    told = b"250- hello.txt\r\n modify=20200101000000; hello.txt\r\n250 end\r\n"
    result = ask(new_server(MDTM=refusal, MLST=told), get=File("hello.txt", max_age=1e9))
    assert result.ok, result.text
