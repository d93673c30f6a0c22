"""Listings by any command, what counts in them, and what servers say of folders that are empty."""

from __future__ import annotations

import pytest

from noidchecks import File, Listing, State
from noidchecks.ftp.listing import entries_of, is_empty
from noidchecks.ftp.wire import Reply
from tests.support.ftp import Answer, FtpServer, FtpSession, give
from tests.support.ftp_servers import Ask, NewServer

EMPTY = [
    "550 No files found.",
    "450 No files found",
    "550 No members found.",
    "550 No data sets found.",
    "550 No datasets found",
    "450 /pub: no files found",
    "550-listing\r\n550 No matching files",
    "450 No file found",
    "550 Directory empty.",
    "450 The directory is empty",
    "550 No entries.",
    "451 No files match",
]
REFUSED = [
    "550 Permission denied",
    "550 No such directory",
    "550 No such file or directory.",
    "450 pub: No such file or directory",
    "550 No such files",
    "550 no access to files",
    "550 File not found",
    "553 No permission",
    "550 You may list no file of others",
    "421 No files found",
    "550 Failed to open directory.",
]


@pytest.mark.parametrize("text", EMPTY)
def test_empty_is_not_broken(text: str) -> None:
    assert is_empty(Reply(int(text[:3]), text.encode() + b"\r\n"))


@pytest.mark.parametrize("text", REFUSED)
def test_broken_is_not_empty(text: str) -> None:
    assert not is_empty(Reply(int(text[:3]), text.encode() + b"\r\n"))


@pytest.mark.parametrize("verb", ["LIST", "NLST"])
@pytest.mark.parametrize("text", [*EMPTY[:4], *REFUSED[:4]])
def test_folders_at_a_server(ask: Ask, new_server: NewServer, verb: str, text: str) -> None:
    listing = Listing("pub", max_files=0) if verb == "NLST" else Listing("pub")
    answers = dict.fromkeys(("LIST", "MLSD", "NLST"), text.encode() + b"\r\n")
    result = ask(new_server(**answers), listing=listing)
    if text in EMPTY:
        assert result.ok, result.text
        assert result.facts["entries"] == 0
    else:
        assert result.text == f"FTP CRITICAL - list pub: {verb} refused: {text}"


LS = (
    b"total 12\r\n"
    b"drwxr-xr-x 2 ftp ftp 4096 Nov 27 10:00 .\r\n"
    b"drwxr-xr-x 2 ftp ftp 4096 Nov 27 10:00 ..\r\n"
    b"-rw-r--r-- 1 ftp ftp    5 Nov 27 10:00 total 1\r\n"
    b"lrwxrwxrwx 1 ftp ftp    5 Nov 27 10:00 b -> .\r\n"
)
DOS = b"11-27-26  10:00AM       <DIR>          pub\r\n11-27-26  10:00AM                 5 a b.txt"
MACHINE = (
    b"type=cdir;modify=20261127100000; .\r\nType=pdir; ..\r\ntype=dir; sub\r\ntype=file;size=5; a b\r\n plain name\r\n"
)


@pytest.mark.parametrize(
    ("verb", "raw", "count"),
    [
        ("LIST", LS, 2),
        ("LIST", DOS, 2),
        ("LIST", b"", 0),
        ("LIST", b"total 0\r\n", 0),
        ("MLSD", MACHINE, 3),
        ("MLSD", b"type=cdir; /pub\r\n", 0),
        ("NLST", b".\r\n..\r\na\r\ntotal 1\r\n", 2),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 9999])
def test_what_counts(verb: str, raw: bytes, count: int, step: int) -> None:
    entries = entries_of(verb)
    for at in range(0, len(raw), step):
        entries.feed(raw[at : at + step])
    entries.finish()
    assert entries.count == count


@pytest.mark.parametrize("code", [500, 502, 504])
@pytest.mark.parametrize("mlsd", [give(MACHINE), b"500 what\r\n"])
def test_a_server_without_nlst_is_counted(ask: Ask, new_server: NewServer, code: int, mlsd: Answer) -> None:
    server = new_server(NLST=b"%d what\r\n" % code, MLSD=mlsd, LIST=give(LS))
    count = 2 if mlsd == b"500 what\r\n" else 3
    assert ask(server, listing=Listing("d", min_files=count, max_files=count)).ok
    both = ask(server, data="both", listing=Listing("d", max_files=count))
    assert both.ok, both.text
    # What the server does not know is not asked for again in the same session.
    assert [command.split()[0] for command in server.commands].count("NLST") == 2


@pytest.mark.parametrize("refusal", [b"550 Permission denied.\r\n", b"451 no\r\n", b"530 Not logged in.\r\n"])
@pytest.mark.parametrize("folder", ["d", ""])
def test_a_server_that_forbids_nlst_is_counted(ask: Ask, new_server: NewServer, refusal: bytes, folder: str) -> None:
    server = new_server(NLST=refusal, MLSD=refusal, LIST=give(LS))
    result = ask(server, listing=Listing(folder, min_files=2, max_files=2))
    assert result.ok, result.text
    assert ask(server, data="both", listing=Listing(folder, max_files=2)).ok
    assert ask(new_server(LIST=refusal, MLSD=refusal), data="both").ok


def test_a_folder_that_may_not_be_there_is_not_empty(ask: Ask, new_server: NewServer) -> None:
    server = new_server(NLST=b"550 Permission denied.\r\n", MLSD=b"500 what\r\n", LIST=give(b""))
    result = ask(server, listing=Listing("d", max_files=0))
    assert result.text == "FTP CRITICAL - list d: NLST refused: 550 Permission denied."
    assert ask(server, listing=Listing(max_files=0)).ok


def test_a_server_without_list_is_listed(ask: Ask, new_server: NewServer) -> None:
    assert ask(new_server(LIST=b"502 what\r\n"), listing=Listing("d")).ok


def test_a_server_that_knows_no_listing_is_named_by_the_first(ask: Ask, new_server: NewServer) -> None:
    server = new_server(NLST=b"500 first\r\n", MLSD=b"500 second\r\n", LIST=b"500 third\r\n")
    result = ask(server, listing=Listing(min_files=1))
    assert result.text == "FTP CRITICAL - list: NLST refused: 500 first"
    folder = new_server(NLST=b"502 what\r\n", MLSD=b"550 no such folder\r\n")
    result = ask(folder, listing=Listing("d", min_files=1))
    assert result.state == State.CRITICAL
    assert result.text == "FTP CRITICAL - list d: MLSD refused: 550 no such folder"


ITSELF = b"drwx------ 2 0 0 4096 Nov 27 10:00 d\r\n"
NO_FOLDER = b"550 no such folder\r\n"


async def no_folder(session: FtpSession) -> None:
    """Enters no folder but the one where it is."""
    await session.send(b"250 ok\r\n" if session.argument == "." else NO_FOLDER)


@pytest.mark.parametrize("names", [b"", b"d\r\n", b"d: No such file or directory\r\n"])
@pytest.mark.parametrize("data", ["", "passive"])
def test_a_folder_that_cannot_be_entered_is_not_empty(ask: Ask, new_server: NewServer, names: bytes, data: str) -> None:
    """vsftpd lists a folder that is not there as empty, and one that may not be entered by its own name."""
    server = new_server(NLST=give(names), LIST=give(ITSELF), CWD=no_folder)
    for listing in (Listing("d"), Listing("d", max_files=9), Listing("d", min_files=1)):
        result = ask(server, data=data, listing=listing)
        assert result.text == "FTP CRITICAL - list d: CWD refused: 550 no such folder"
    assert "PWD" not in server.commands


@pytest.mark.parametrize("listing", [Listing(max_files=9), Listing("*.txt", max_files=9), Listing("d", max_files=9)])
def test_what_needs_no_proof_is_not_entered(ask: Ask, new_server: NewServer, listing: Listing) -> None:
    """The folder of the login, a pattern, a listing of several entries, and one of another name."""
    for names in (b"d\r\nb\r\n", b"b\r\n") if listing.folder == "d" else (b"",):
        server = new_server(NLST=give(names), CWD=no_folder)
        assert ask(server, listing=listing).ok
    assert not server.await_command("CWD", 0.0)


def test_a_folder_that_is_entered_is_left_again(ask: Ask, new_server: NewServer) -> None:
    pwd, entered = b'257 "/home" is current\r\n', b"250 ok\r\n"
    server = new_server(NLST=give(b""), PWD=pwd, CWD=entered)
    result = ask(server, listing=Listing("-d", max_files=0), get=File("hello.txt"))
    assert result.ok, result.text
    assert [command for command in server.commands if command[:3] in ("PWD", "CWD", "RET")] == [
        "PWD", "CWD ./-d", "CWD /home", "RETR hello.txt",
    ]  # fmt: skip

    async def only_in(session: FtpSession) -> None:
        await session.send(entered if session.argument == "d" else b"550 no way back\r\n")

    result = ask(new_server(NLST=give(b""), PWD=pwd, CWD=only_in), listing=Listing("d", max_files=0), put="")
    assert result.text == "FTP CRITICAL - list d: CWD back refused: 550 no way back"


def test_a_server_that_knows_no_way_to_enter_or_back_is_believed(ask: Ask, new_server: NewServer) -> None:
    """vsftpd forbids commands with the code of a folder that it does not show."""
    for answers in ({}, {"PWD": b"257 here\r\n", "CWD": no_folder}, {"PWD": b'257 "/"\r\n', "CWD": NO_FOLDER}):
        server = new_server(NLST=give(b""), **answers)
        assert ask(server, listing=Listing("d", max_files=0), get=File("hello.txt")).ok


def test_a_server_that_turns_us_away_instead_of_entering_is_named(ask: Ask, new_server: NewServer) -> None:
    result = ask(new_server(NLST=give(b""), CWD=b"421 enough\r\n"), listing=Listing("d", max_files=0))
    assert result.text == "FTP CRITICAL - list d: CWD refused: 421 enough"


UNREAD = [
    b"226 Transfer done (but failed to open directory).\r\n",
    b"226-Sorry, we were unable to read [d]\r\n226 0 matches\r\n",
]


@pytest.mark.parametrize("end", UNREAD)
def test_a_folder_that_cannot_be_read_is_not_empty(ask: Ask, new_server: NewServer, end: bytes) -> None:
    """vsftpd and Pure-FTPd say so at the end of a listing, whose code is that of a complete one."""
    unread = give(b"", end)
    for folder in ("", "d"):
        server = new_server(NLST=unread, LIST=unread, CWD=b"250 ok\r\n")
        for listing in (Listing(folder), Listing(folder, max_files=9), Listing(folder, min_files=1)):
            result = ask(server, listing=listing)
            assert result.state == State.CRITICAL
            words = "the directory cannot be read: 226"
            assert result.text.startswith(f"FTP CRITICAL - list{' d' if folder else ''}: {words}"), result.text
            # The sentence says it also where the server's words are not to be repeated.
            assert ask(server, listing=listing, jail=True).text.endswith(words)
    # A listing that tries data connections alone has done its work.
    assert ask(new_server(LIST=unread), data="passive").ok
    assert ask(new_server(NLST=give(b"unable to read\r\n", end)), listing=Listing(max_files=9)).ok


@pytest.mark.parametrize("inside", [give(b"", UNREAD[0]), b"550 Permission denied\r\n"])
@pytest.mark.parametrize("data", ["", "passive"])
def test_a_folder_that_is_listed_by_its_name_is_listed_inside(
    ask: Ask, new_server: NewServer, inside: Answer, data: str
) -> None:
    """vsftpd lists a folder that may be entered, and not read, as a file of that name."""

    def server(inside: Answer) -> FtpServer:
        async def nlst(session: FtpSession) -> None:
            answer = give(b"d\r\n") if session.argument == "d" else inside
            await (session.send(answer) if isinstance(answer, bytes) else answer(session))

        return new_server(NLST=nlst, MLSD=inside, LIST=inside, CWD=b"250 ok\r\n", PWD=b'257 "/home"\r\n')

    result = ask(server(inside), data=data, listing=Listing("d", max_files=9))
    assert result.state == State.CRITICAL
    assert result.text.startswith("FTP CRITICAL - list d: "), result.text
    # Small servers list any folder by its name alone; z/OS a data set, and behind that name as a prefix none.
    for other, count in ((give(b"a\r\nb\r\n"), 2), (give(b""), 0), (b"550 No data sets found.\r\n", 1)):
        readable = server(other)
        wanted = Listing("d", min_files=count, max_files=count)
        good = ask(readable, data=data, listing=wanted, get=File("hello.txt"))
        assert good.ok, good.text
        assert [line for line in readable.commands if line[:3] in ("CWD", "RET")] == [
            "CWD d", "CWD /home", "RETR hello.txt",
        ]  # fmt: skip
