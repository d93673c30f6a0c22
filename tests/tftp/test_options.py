from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

import noidchecks
from noidchecks import Range, State, TftpProbe, UsageError
from noidchecks.address import AF_INET6
from noidchecks.plugin.main import run
from noidchecks.plugin.plugin import InformationWanted, parse, parse_line
from noidchecks.tftp.options import PLUGIN
from tests.support.tftp import Server, dead_port, delivering, error, sending

SHA1 = "ab" * 20


def probe_of(line: str) -> TftpProbe:
    probe = parse_line(f"check_tftp {line}").probe
    assert isinstance(probe, TftpProbe)
    return probe


@pytest.mark.parametrize(
    "line",
    [
        "h -p 6969 -f x",
        "-p 6969 h -f x",
        "-p 6969 -f x h",
        "-p 6969 -f x -H h",
        "-Hh -p6969 -fx",
        "'' h '' -p 6969 -f x",
    ],
)
def test_host_may_stand_anywhere(line: str) -> None:
    assert probe_of(line) == TftpProbe("h", "x", port=6969)


@pytest.mark.parametrize("line", ["--connect h", "-p 6969 --connect h", "--connect=h -t 3", "'' --connect h ''"])
def test_the_older_call_without_a_file(line: str) -> None:
    probe = probe_of(line)
    assert (probe.host, probe.filename, probe.size) == ("h", "", None)


@pytest.mark.parametrize(
    "line", ["--get h x 4 -p 6969", "-p 6969 --get h x 4", "--get h -p 6969 x 4", "--get=h x '' -p6969 4"]
)
def test_the_older_call_with_a_file_and_its_size(line: str) -> None:
    assert probe_of(line) == TftpProbe("h", "x", port=6969, size=Range(4, 4))


def test_all_options() -> None:
    line = (
        "--hostname h --port 6969 --file x --size 4 --sha256 " + "ab" * 32 + f" --sha1 {SHA1} --mode netascii"
        " --blksize 1428 --tsize --windowsize 16 --retries 5 --maxbytes 1000 -w 1 -c 2 -t 30:unknown -6"
        " --source ::1 --phases"
    )
    assert probe_of(line) == TftpProbe(
        "h",
        "x",
        port=6969,
        timeout=30,
        timeout_state=State.UNKNOWN,
        family=AF_INET6,
        source="::1",
        mode="netascii",
        size=Range(4, 4),
        sha256="ab" * 32,
        sha1=SHA1,
        blksize=1428,
        tsize=True,
        windowsize=16,
        retries=5,
        limit=1000,
        warning=Range(0, 1),
        critical=Range(0, 2),
        show_phases=True,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4", Range(4, 4)),
        ("0", Range(0, 0)),
        ("99999999999", Range(99999999999, 99999999999)),
        ("4:", Range(4)),
        ("1:10", Range(1, 10)),
        ("~:10", Range(float("-inf"), 10)),
        ("@0", Range(0, 0, inside=True)),
    ],
)
def test_size(text: str, expected: Range) -> None:
    assert probe_of(f"h -f x --size {text}").size == expected


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("", "No arguments found"),
        ("-p 69", "No host given"),
        ("-H ''", "Host must be a name or an address, not ''"),
        ("''", "No host given"),
        ("h i", "Only one host can be given, not also i (a file is given with -f)"),
        ("-H h boot.img", "Only one host can be given, not also boot.img (a file is given with -f)"),
        ("--get h", "--get must be followed by HOST FILE SIZE"),
        ("--get h x", "--get must be followed by HOST FILE SIZE"),
        ("--get h x 4 5", "--get must be followed by HOST FILE SIZE"),
        ("--get h x 4 -f y", "--get must be followed by HOST FILE SIZE"),
        ("--get h x four", "Size must be a number of bytes or a range, not 'four'"),
        ("--connect h -H i", "Only one host can be given, not also i (a file is given with -f)"),
        ("--connect h x", "Only one host can be given, not also x (a file is given with -f)"),
        ("h -- -x", "Unexpected word: -x"),
        ("h -", "Unexpected word: -"),
        ("h -f ''", "File name must not be empty"),
        ("h -f x --size ''", "Size must be a number of bytes or a range, not ''"),
        ("h -f x --size x", "Size must be a number of bytes or a range, not 'x'"),
        ("h -f x --size -4", "Size must be a number of bytes or a range, not '-4'"),
        ("h -f x --size 4k", "Size must be a number of bytes or a range, not '4k'"),
        ("h -f x --size 4.0", "Size must be a number of bytes or a range, not '4.0'"),
        ("h -f x --size ~:-4", "Size must not be negative: ~:-4"),
        ("h --size 4", "A size or a hash can only be checked with a file (-f)"),
        (f"h --sha1 {SHA1}", "A size or a hash can only be checked with a file (-f)"),
        ("h -f x --sha1 ab", "SHA1 must be 40 hexadecimal digits, not 'ab'"),
        ("h -f x --sha256 ''", "SHA256 must not be empty"),
        ("h --blksize 7", "Blksize must be 8 to 65464, not 7"),
        ("h --blksize x", "Blksize must be a whole number, not 'x'"),
        ("h --windowsize 65536", "Windowsize must be 1 to 65535, not 65536"),
        ("h --retries -1", "Retries must be 0 to 100, not -1"),
        ("h --retries 1.5", "Retries must be a whole number, not '1.5'"),
        ("h --mode mail", "Mode must be octet or netascii, not 'mail'"),
        ("h --mode ''", "Mode must be octet or netascii, not ''"),
        ("h -m 0", "Maxbytes must be a positive integer"),
        (f"h -f {'a' * 600}", "File name is too long: the request has 609 bytes, at most 512 fit"),
        ("h -t 0", "Timeout interval must be a positive integer"),
        ("h -f", "option requires an argument -- 'f'"),
    ],
)
def test_usage_errors(line: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_line(f"check_tftp {line}")
    assert str(caught.value) == text


def test_usage_is_printed_on_standard_output_with_3() -> None:
    code, text = run("check_tftp", ["/usr/lib/nagios/plugins/check_tftp"])
    assert code == 3
    assert text.startswith("check_tftp: No arguments found\nUsage:\ncheck_tftp [-H] <host> ")


def test_help_names_every_option() -> None:
    code, text = run("check_tftp", ["check_tftp", "--help"])
    assert code == 3
    assert all(f"--{option.name}" in text for option in PLUGIN.options)


@given(
    st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["-f", "-H", "-p", "--size", "--sha1", "h", "4", "--"])))
)
@settings(max_examples=300)
def test_any_words_are_a_command_or_a_usage_error(words: list[str]) -> None:
    try:
        parse(["check_tftp", *words])
    except (UsageError, InformationWanted):
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(delivering(b"OK\r\n")) as server:
        yield server


def test_the_check_of_the_article(server: Server) -> None:
    words = ["check_tftp", "127.0.0.1", "-p", str(server.port), "-f", "tftp_relianoid_check.txt"]
    code, text = run("check_tftp", words)
    assert code == 0
    place = rf"127.0.0.1 port {server.port} \[tftp_relianoid_check.txt\]"
    assert re.match(rf"TFTP OK - Received 4 bytes in \d\.\d seconds from {place}\|time=", text)
    server.close()
    code, text = run("check_tftp", words)
    assert code == 2
    assert text.startswith(f"TFTP CRITICAL - connect to address 127.0.0.1 and port {server.port}: Connection refused|")


def test_codes() -> None:
    with Server(sending(error(1, b"File not found"))) as server:
        words = ["check_tftp", "-H", "127.0.0.1", "-p", str(server.port)]
        assert run("check_tftp", words)[0] == 0
        assert run("check_tftp", [*words, "-c", "0:0"])[0] == 2
        assert run("check_tftp", [*words, "-w", "0:0"])[0] == 1
        code, text = run("check_tftp", [*words, "-f", "boot.img"])
        assert code == 2
        assert text.startswith("TFTP CRITICAL - boot.img: File not found (error 1)|")


def test_verbose_prints_the_dialogue(server: Server) -> None:
    _, text = run("check_tftp", ["check_tftp", "-v", "-p", str(server.port), "127.0.0.1", "-f", "x"])
    assert "bytes '\\x00\\x01x\\x00octet\\x00'" in text


def test_start_is_cheap() -> None:
    heavy = [
        "asyncio",
        "ssl",
        "logging",
        "dataclasses",
        "typing",
        "enum",
        "re",
        "click",
        "paramiko",
        "hashlib",
        "socket",
    ]
    program = (
        f"import sys; sys.path.insert(0, {str(Path(noidchecks.__file__).parents[1])!r}); "
        "from noidchecks.plugin.main import run; "
        f"code, _ = run('check_tftp', ['check_tftp', '127.0.0.1', '-p', '{dead_port()}']); "
        f"print(int(code), [name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "2 []\n"


@pytest.mark.parametrize("words", [["--put-size", "5"], ["--no-read-back"]])
def test_what_belongs_to_an_upload_needs_one(words: list[str]) -> None:
    with pytest.raises(UsageError, match="--put-size and --no-read-back go with --put"):
        parse(["check_tftp", "127.0.0.1", *words])
