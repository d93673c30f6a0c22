"""The services of objects.cache as targets."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from noidchecks import FtpProbe, SshProbe
from noidchecks.errors import UsageError
from noidchecks.surveys import nagios_objects as module
from noidchecks.surveys.nagios_objects import add_services, read_objects, read_resources
from noidchecks.surveys.targets import TargetList

# As Nagios writes it.
OBJECTS = r"""########################################
#       NAGIOS OBJECT CACHE FILE
########################################

define command {
	command_name	check_ftp
	command_line	$USER1$/check_ftp -H '$HOSTADDRESS$' '$ARG1$' '$ARG2$'
	}

define command {
	command_name	check_ssh
	command_line	$USER5$/noid_check_ssh -p $_SERVICEPORT$ -r "$ARG1$" $_HOSTLAN$
	}

define command {
	command_name	check_dummy
	command_line	$USER1$/check_dummy 3 "$ARG1$"
	}

define command {
	command_name	check_piped
	command_line	/opt/check_ftp -H $HOSTADDRESS$ | tee /tmp/x
	}

define command {
	command_name	check_quoted
	command_line	/opt/check_ssh -r 'a|b;$$c' $HOSTADDRESS$
	}

define command {
	command_name	check_any
	command_line	$USER1$/$ARG1$ -H $HOSTADDRESS$ $ARG2$
	}

define host {
	host_name	web1
	alias	The first
	address	192.0.2.1
	_LAN	10.0.0.1
	}

define host {
	host_name	web2
	}

"""


def service(host: str, description: str, command: str, *more: str) -> str:
    lines = [f"host_name\t{host}", f"service_description\t{description}", f"check_command\t{command}", *more]
    return "define service {\n" + "".join(f"\t{line}\n" for line in lines) + "\t}\n\n"


def read(text: str, **resources: str) -> TargetList:
    found = TargetList()
    lines = (OBJECTS + text).encode(errors="surrogateescape").splitlines(keepends=True)
    for _ in add_services(found, "objects.cache", lines, resources):
        pass
    return found


def test_a_service_of_ours_becomes_a_target_and_another_does_not() -> None:
    found = read(
        service("web1", "FTP", "check_ftp!-w 5 -c 10") + service("web1", "Dummy", "check_dummy!check_ftp"),
        USER1="/usr/lib/nagios/plugins",
    )
    assert found.complaints == []
    (target,) = found.targets
    assert target.key == ("web1", "FTP")
    assert isinstance(target.command.probe, FtpProbe)
    assert target.command.probe.host == "192.0.2.1"


def test_custom_variables_and_a_prefix() -> None:
    found = read(service("web1", "SSH", r"check_ssh!OpenSSH\!x", "_port\t2222"), USER5="/opt")
    assert found.complaints == []
    assert [target.command.probe for target in found.targets] == [
        SshProbe("10.0.0.1", port=2222, remote_version="OpenSSH!x")
    ]


def test_a_custom_variable_without_a_value_is_empty() -> None:
    """Nagios writes `null` for one that the service has cancelled, or left empty."""
    found = read(
        service("web1", "FTP", "check_any!check_ftp!$_SERVICEOPTIONS$", "_OPTIONS\tnull")
        + service("web2", "FTP", "check_any!check_ftp", "_SURVEY\tnull"),
        USER1="/x",
    )
    assert found.complaints == []
    assert [target.command.probe for target in found.targets] == [FtpProbe("192.0.2.1"), FtpProbe("web2")]


def test_the_program_may_be_an_argument() -> None:
    found = read(
        service("web1", "FTP", "check_any!check_ftp!-p 2121")
        + service("web1", "SSH", "check_any!$_SERVICEPROGRAM$", "_PROGRAM\tcheck_ssh")
        + service("web1", "HTTP", "check_any!check_http!$SERVICESTATE$"),
        USER1="/x",
    )
    assert found.complaints == []
    assert [target.command.probe for target in found.targets] == [
        FtpProbe("192.0.2.1", port=2121),
        SshProbe("192.0.2.1"),
    ]


def test_a_host_without_an_address_is_its_name() -> None:
    found = read(service("web2", "FTP", "check_ftp"), USER1="/x")
    assert [target.command.probe for target in found.targets] == [FtpProbe("web2")]


def test_the_variable_of_the_survey_is_preferred() -> None:
    found = read(service("web2", "FTP", "check_dummy!silent", "_SURVEY\tcheck_ftp"), USER1="/x")
    assert [target.command.probe for target in found.targets] == [FtpProbe("web2")]


def test_dollars_and_quoted_characters_of_the_shell() -> None:
    found = read(service("web1", "SSH", "check_quoted"))
    assert found.complaints == []
    assert [target.command.probe for target in found.targets] == [SshProbe("192.0.2.1", remote_version="a|b;$c")]


def test_what_cannot_be_resolved_is_told() -> None:
    found = read(
        service("web1", "A", "check_ftp")
        + service("web1", "B", "check_ftp!$SERVICESTATE$")
        + service("web1", "C", "check_ssh")
        + service("web1", "D", "check_piped"),
        USER5="/opt",
    )
    assert found.targets == []
    reasons = [complaint.partition(": ")[2] for complaint in found.complaints]
    assert reasons == [
        "A on web1 is left out: macro $USER1$ cannot be resolved",
        "B on web1 is left out: macro $SERVICESTATE$ cannot be resolved",
        "C on web1 is left out: macro $_SERVICEPORT$ cannot be resolved",
        "D on web1 is left out: the command line needs a shell",
    ]


def test_resource_files() -> None:
    lines = [b"# comment\n", b"$USER1$=/usr/lib/nagios/plugins\r\n", b"$USER2$ = a=b\n", b"nonsense\n", b"$X=1\n"]
    assert read_resources(lines) == {"USER1": "/usr/lib/nagios/plugins", "USER2": "a=b"}


@given(st.text(max_size=200))
def test_whatever_is_in_the_file_nothing_is_raised(text: str) -> None:
    read(text.encode(errors="replace").decode() + service("web2", "FTP", f"check_ftp!{text}".replace("\n", " ")))


def test_only_passive_services_are_taken_when_that_is_asked_for() -> None:
    active, passive = "active_checks_enabled\t1", "active_checks_enabled\t0"
    takes, takes_none = "passive_checks_enabled\t1", "passive_checks_enabled\t0"
    text = OBJECTS + "".join(
        service("web1", name, "check_ftp", *more)
        for name, more in (
            ("active", (active, takes)),
            ("passive", (passive, takes)),
            ("neither", (passive, takes_none)),
            ("told", ()),
        )
    )
    for passive_only, names in ((False, ["active", "passive", "neither", "told"]), (True, ["passive"])):
        found = TargetList()
        lines = text.encode().splitlines(keepends=True)
        for _ in add_services(found, "objects", lines, {"USER1": "/p"}, passive_only=passive_only):
            pass
        assert [target.service for target in found.targets] == names
        assert found.complaints == []


def aged(path: Path, text: str, seconds: float = 5) -> None:
    path.write_text(text)
    os.utime(path, (time.time() - seconds,) * 2)


def lines_of(steps: Generator[float, None, list[bytes]]) -> list[bytes]:
    """Returns what the steps return, which must need no wait."""
    with pytest.raises(StopIteration) as end:
        next(steps)
    found: list[bytes] = end.value.value
    return found


@pytest.mark.parametrize("end", ["", "# the end\n\n"])
def test_a_file_that_is_whole_and_settled_is_read_at_once(end: str, tmp_path: Path) -> None:
    path = tmp_path / "objects.cache"
    aged(path, OBJECTS + end)
    assert b"".join(lines_of(read_objects(str(path), 1 << 20))).decode() == OBJECTS + end


def test_a_file_that_nagios_is_writing_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "objects.cache"
    steps = read_objects(str(path), 1 << 20)
    # Just begun, in the middle of a block, whole but young, and from a clock that was set back.
    for text, age in (("", 5), (OBJECTS[:-30], 5), (OBJECTS, 0)):
        aged(path, text, age)
        assert next(steps) > 0
    aged(path, OBJECTS, -3600)
    assert lines_of(steps)


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "objects.cache"
    aged(path, OBJECTS)

    def read(name: str, limit: int) -> bytes:
        monkeypatch.undo()
        aged(path, OBJECTS * 2)
        return OBJECTS.encode()

    monkeypatch.setattr(module, "read_regular", read)
    steps = read_objects(str(path), 1 << 20)
    assert next(steps) > 0
    assert len(lines_of(steps)) == 2 * OBJECTS.count("\n")


def test_a_part_of_a_file_is_refused_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", -1.0)
    path = tmp_path / "objects.cache"
    aged(path, OBJECTS[:-30])
    with pytest.raises(UsageError, match=r"objects\.cache: it is being written, or a part of it is missing"):
        next(read_objects(str(path), 1 << 20))
