"""A mail of Nagios or Icinga 2 about a service holds the dialogue with its server, and nothing of that is ever run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from email import message_from_string
from email.policy import default
from pathlib import Path

import pytest

from integration.contract.compare import OURS
from integration.monitoring.icinga import Icinga
from integration.monitoring.nagios import Nagios
from integration.monitoring.objects import PLAIN
from noidchecks.install import definitions
from tests.support.peers import Peer
from tests.support.waiting import until

pytestmark = pytest.mark.root

NewFolder = Callable[[], Path]
# What would be seen if a shell, printf or a mail program took it for more than text.
GREETING = "530 $(touch {0}) `touch {0}` \"; touch {0}; ' %s%n \\x41 <b> & | end"


@pytest.fixture
def post(new_folder: NewFolder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the mails, which a program in place of sendmail writes."""
    folder = new_folder()
    program = folder / "sendmail"
    program.write_text(
        f'#!/bin/sh\n[ "$*" = "-i -t" ] && cat >{folder}/new.$$ && mv {folder}/new.$$ {folder}/$$.mail\n'
    )
    program.chmod(0o755)
    # The monitoring servers hand their environment on.
    monkeypatch.setenv("SENDMAIL", str(program))
    return folder


@pytest.fixture
def programs(new_folder: NewFolder) -> Path:
    """The plugins with the script beside them, as the pages tell."""
    folder = new_folder()
    (folder / "check_ftp").symlink_to(OURS / "check_ftp")
    script = definitions() / "examples" / "notify-by-mail"
    subprocess.run(["install", "-m", "755", script, folder], check=True)
    return folder


@pytest.fixture
def hostile(post: Path) -> Iterator[int]:
    """The port of a server that greets like that."""
    with Peer(GREETING.format(post / "owned").encode() + b"\r\n") as peer:
        yield peer.port


def mail(post: Path) -> str:
    """Returns the first mail."""
    until(lambda: any(post.glob("*.mail")))
    (found, *_) = sorted(post.glob("*.mail"))
    return found.read_text()


def assert_good(text: str, post: Path) -> None:
    head, _, body = text.partition("\n\n")
    assert "To: operator@example.net" in head.splitlines()
    assert "Subject: PROBLEM: ftp on lab is WARNING" in head.splitlines()
    lines = body.splitlines()
    assert lines[0].startswith("FTP WARNING - Unexpected response from host/socket: 530 ")
    # The dialogue, as the server spoke.
    assert any("-- greeting" in line for line in lines), text
    (said,) = [line for line in lines[1:] if "530 $(touch" in line]
    assert f'$(touch {post}/owned) `touch {post}/owned` "; touch {post}/owned; ' in said
    assert said.endswith(r"\r\n'")
    assert not (post / "owned").exists()


def test_nagios(new_folder: NewFolder, programs: Path, post: Path, hostile: int) -> None:
    base = definitions()
    objects = PLAIN + (
        "define contact {\n use noid-contact\n contact_name operator\n email operator@example.net\n"
        " host_notification_period always\n service_notification_period always\n"
        " host_notification_commands nothing\n service_notification_options w,u,c,r\n}\n"
        f"define service {{\n use noid-service,plain-service\n host_name lab\n service_description ftp\n"
        f" check_command check_ftp_options!-v -p {hostile}\n check_interval 1\n retry_interval 1\n"
        " contacts operator\n}\n"
    )
    files = [base / name for name in ("commands.cfg", "templates.cfg", "notifications.cfg")]
    settings = {"enable_notifications": "1", "enable_environment_macros": "1"}
    with Nagios(new_folder()) as nagios:
        nagios.start(objects, *files, macros={"$USER5$": str(programs)}, settings=settings)
        assert_good(mail(post), post)
        said = nagios.verify()
        assert "Total Warnings: 0" in said.stdout, said.stdout


def test_icinga(new_folder: NewFolder, programs: Path, post: Path, hostile: int) -> None:
    files = sorted((definitions() / "icinga2").glob("*.conf"))
    objects = (
        'object Host "lab" { check_command = "dummy", enable_active_checks = false, address = "127.0.0.1" }\n'
        'object User "operator" { email = "operator@example.net" }\n'
        'object Service "ftp" {\n import "noid-service"\n host_name = "lab"\n check_command = "noid_ftp"\n'
        f" check_interval = 1s\n retry_interval = 1s\n vars.ftp_port = {hostile}\n vars.ftp_verbose = true\n}}\n"
        'object NotificationComponent "notification" { }\n'
        'apply Notification "mail" to Service {\n import "noid-mail-service"\n users = [ "operator" ]\n'
        " assign where true\n}\n"
    )
    constants = {"PluginDir": str(OURS), "NoidchecksNotifyDir": str(programs)}
    with Icinga(new_folder(), notifies=True) as icinga:
        icinga.start(objects, *files, constants=constants)
        assert_good(mail(post), post)
        said = icinga.verify()
        assert (said.returncode, "warning" in said.stdout) == (0, False), said.stdout


def test_without_an_environment_it_says_what_is_missing(programs: Path) -> None:
    done = subprocess.run([programs / "notify-by-mail"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "enable_environment_macros=1" in done.stderr


def test_a_name_of_other_letters_is_encoded_in_the_head(programs: Path, post: Path) -> None:
    name = "Übertragung der täglichen Bestände: 日本語のサービス"
    told = {"TO": "operator@example.net", "TYPE": "PROBLEM", "SERVICE": name, "HOST": "büro", "STATE": "WARNING"}
    variables = {f"NOTIFY_{key}": value for key, value in told.items()}
    subprocess.run([programs / "notify-by-mail"], env={**os.environ, **variables}, check=True)
    text = mail(post)
    head, _, _ = text.partition("\n\n")
    assert head.isascii()
    assert max(map(len, head.splitlines())) <= 78
    assert message_from_string(text, policy=default)["Subject"] == f"PROBLEM: {name} on büro is WARNING"
