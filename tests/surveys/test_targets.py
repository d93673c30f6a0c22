"""Lines of targets, and shares of them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from noidchecks import FtpProbe, SshProbe, State, UsageError, check
from noidchecks.plugin.plugin import PLUGINS
from noidchecks.surveys.targets import MisconfiguredProbe, Shard, TargetList


def read(text: bytes) -> TargetList:
    found = TargetList()
    found.add_lines("t", text.splitlines(keepends=True))
    return found


def test_a_line_is_host_service_and_command() -> None:
    found = read(b"web1\tftp\tcheck_ftp -H 192.0.2.1\n")
    (target,) = found.targets
    assert (target.key, target.command.probe) == (("web1", "ftp"), FtpProbe("192.0.2.1"))
    assert found.complaints == []


def test_comments_empty_lines_and_line_ends_of_windows() -> None:
    found = read(b"# hosts\r\n\r\n  \n\t# more\nweb1\tssh\tcheck_ssh web1\r\nweb 2 \t ssh\tcheck_ssh\t-p 23 web2")
    assert [target.key for target in found.targets] == [("web1", "ssh"), ("web 2", "ssh")]
    assert found.targets[0].command.probe == SshProbe("web1")
    assert found.targets[1].command.probe == SshProbe("web2", port=23)
    assert found.complaints == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"web1 ftp check_ftp", "must be host, service and command line, separated by tabs"),
        (b"web1\tcheck_ftp", "must be host, service and command line, separated by tabs"),
        (b"\tftp\tcheck_ftp", "the host's name is empty"),
        (b"web1\t \tcheck_ftp", "the service's name is empty"),
        (b"a;b\tftp\tcheck_ftp", "the host's name must not hold ';'"),
        (b"web1\ta!b\tcheck_ftp", "the service's name must not hold '!'"),
        (b"web\x1b1\tftp\tcheck_ftp", "the host's name is not printable"),
        (b"web\xff\tftp\tcheck_ftp", "the host's name is not printable"),
        (b"w" * 256 + b"\tftp\tcheck_ftp", "the host's name has more than 255 characters"),
    ],
)
def test_a_line_without_proper_names_is_left_out_and_harms_no_other(line: bytes, complaint: str) -> None:
    found = read(b"a\tftp\tcheck_ftp -H a\n" + line + b"\nb\tftp\tcheck_ftp -H b\n")
    assert [target.host for target in found.targets] == ["a", "b"]
    assert found.complaints == [f"t:2: {complaint}"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (b"check_ftp -p 0", "Port must be a positive integer"),
        (b"check_http -H x", f"not one of {', '.join(PLUGINS)}"),
        (b"check_ftp -H 'x", "command line cannot be split: no closing quotation"),
        (b"check_ftp --help", "the command line asks for help, not for a check"),
        (b"check_ftp --output-format json", "--output-format json is not for a monitoring server"),
        (b"", f"not one of {', '.join(PLUGINS)}"),
    ],
)
def test_a_command_that_cannot_be_run_makes_its_service_unknown(command: bytes, reason: str) -> None:
    found = read(b"web1\tftp\t" + command + b"\n")
    (complaint,) = found.complaints
    assert complaint.startswith(f"t:1: ftp on web1 will be UNKNOWN: {reason}")
    (target,) = found.targets
    assert isinstance(target.command.probe, MisconfiguredProbe)
    result = check(target.command.probe)
    assert result.state == State.UNKNOWN
    assert result.text.startswith(f"UNKNOWN - {reason}")


@pytest.mark.parametrize("words", ["-t 0", "-t ''", "-t -5"])
def test_a_check_without_a_deadline_is_given_one(words: str) -> None:
    """It would hold a place, and its round, for ever."""
    found = read(b"a\tssh\tcheck_ssh -t 3600 a\nb\tssh\tcheck_ssh %b b\n" % words.encode())
    assert [target.command.probe for target in found.targets] == [
        SshProbe("a", timeout=3600),
        SshProbe("b", timeout=60),
    ]
    assert found.complaints == ["t:2: ssh on b has no deadline, and is given 60 s"]


def test_what_editors_of_windows_write_before_the_first_line_is_no_part_of_it() -> None:
    found = read(b"\xef\xbb\xbfa\tftp\tcheck_ftp -H a\n")
    assert [target.host for target in found.targets] == ["a"]
    assert read(b"\xef\xbb\xbf# hosts\n").complaints == []


def test_the_first_of_two_with_the_same_names_is_taken() -> None:
    found = read(b"a\tftp\tcheck_ftp -H a\n\na\tftp\tcheck_ftp -H b\n")
    assert [target.command.probe for target in found.targets] == [FtpProbe("a")]
    assert found.complaints == ["t:3: ftp on a was there before, at t:1"]


@given(st.binary(max_size=300))
def test_whatever_is_in_the_file_nothing_is_raised(text: bytes) -> None:
    found = read(text)
    for target in found.targets:
        assert target.host.isprintable()
        assert target.service.isprintable()
    assert all(complaint.isprintable() for complaint in found.complaints)


@pytest.mark.parametrize("text", ["", "2", "2/", "/2", "0/2", "3/2", "a/b", "1/-1", "1/1/1", "²/3", "1/99999"])
def test_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match=r"^Shard must be"):
        Shard.parse(text)


keys = st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=40, unique=True)


@given(keys, st.integers(1, 7))
def test_each_target_belongs_to_exactly_one_shard(names: list[tuple[str, str]], count: int) -> None:
    shards = [Shard(number, count) for number in range(1, count + 1)]
    for key in names:
        assert sum(shard.has(key) for shard in shards) == 1


@given(keys, st.integers(1, 7))
def test_one_machine_more_takes_its_share_and_nothing_else_moves(names: list[tuple[str, str]], count: int) -> None:
    for key in names:
        before = [Shard(number, count).has(key) for number in range(1, count + 1)]
        after = [Shard(number, count + 1).has(key) for number in range(1, count + 2)]
        assert after[:-1] == before or after[-1]


def test_shares_are_about_equal_and_stay_what_they_are() -> None:
    names = [(f"host{number}", "ftp") for number in range(5000)]
    sizes = [sum(Shard(number, 5).has(key) for key in names) for number in range(1, 6)]
    assert sum(sizes) == 5000
    assert all(900 < size < 1100 for size in sizes)
    # Machines with different versions of this package must agree.
    assert [number for number in range(20) if Shard.parse("2/5").has(names[number])] == [4, 7, 19]
