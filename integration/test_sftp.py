"""SFTP checks against a real sshd: each option once passing and once failing, for the right reason."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.accounts import FIRST_ID
from integration.contract.compare import OURS, run
from integration.sftp_site import COMMAND, CONTENT, PASSWORD, SFTP, Site, site

pytestmark = pytest.mark.root

Folders = Callable[[], Path]


@pytest.fixture(scope="module")
def shared(new_folder: Folders) -> Iterator[Site]:
    with site(new_folder(), SFTP) as one:
        yield one


def test_a_password_on_both_families(shared: Site) -> None:
    for host in (shared.server.host, shared.server.host6):
        answer = run(COMMAND, shared.bob(host=host))
        assert answer.code == 0, answer.text
        assert "[login bob] | time=" in answer.text


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--get", "report.txt"], 0, f"[login bob, get report.txt {len(CONTENT)} bytes]"),
        (["--get", "none"], 2, "get none: No such file"),
        (["--get", "report.txt", "--size", str(len(CONTENT))], 0, "[login bob, get"),
        (["--get", "report.txt", "--size", "1"], 2, "size: expected 1 bytes"),
        (["--get", "report.txt", "--sha256", hashlib.sha256(CONTENT).hexdigest()], 0, "[login bob, get"),
        (["--get", "report.txt", "--sha256", "0" * 64], 2, "SHA-256: expected 000"),
        (["--get", "report.txt", "--contains", "lies"], 0, "[login bob, get"),
        (["--get", "report.txt", "--contains", "truth"], 2, "does not contain 'truth'"),
        (["--get", "report.txt", "--max-age", "1h"], 0, "[login bob, get"),
        (["--list", "", "--min-files", "3"], 0, "[login bob, list 3 files]"),
        (["--list", "in", "--min-files", "1"], 2, "list in: 0 files, expected at least 1"),
        (["--list", "none"], 2, "list none: No such file"),
        (["--put", "in"], 0, "[login bob, put]"),
        (["--put", "/etc"], 2, "put /etc: Permission denied"),
        (["--put-remote", "in", "--get-timestamp", "report.txt"], 0, "[login bob, report.txt of 20"),
        (["--phases", "--get", "report.txt"], 0, "[login bob, get"),
    ],
)
def test_each_option_passes_and_fails(shared: Site, words: list[str], code: int, text: str) -> None:
    answer = run(COMMAND, shared.bob(*words))
    assert answer.code == code, answer.text
    assert text in answer.text
    assert PASSWORD not in answer.text
    assert list((shared.home / "in").iterdir()) == []


def test_an_old_file(shared: Site) -> None:
    old = shared.home / "old.txt"
    old.write_bytes(CONTENT)
    os.utime(old, (1e9, 1e9))
    try:
        answer = run(COMMAND, shared.bob("--get", "old.txt", "--max-age", "1d"))
    finally:
        old.unlink()
    assert answer.code == 2
    assert "age: expected at most 86400s" in answer.text


def test_a_changed_host_key_gets_no_password(shared: Site) -> None:
    answer = run(COMMAND, shared.bob("--fingerprint", shared.fingerprint()))
    assert answer.code == 0, answer.text
    before = len(shared.server.daemon.output.splitlines())
    answer = run(COMMAND, shared.bob("--fingerprint", f"SHA256:{'A' * 43}"))
    assert answer.code == 2
    assert "host key mismatch" in answer.text
    shared.server.daemon.wait_until(
        lambda: len(shared.server.daemon.output.splitlines()) > before, "a line about the connection"
    )
    assert "password" not in "".join(shared.server.daemon.output.splitlines()[before:]).lower()


def test_a_full_disk(shared: Site) -> None:
    """A quota looks the same: version 3 of SFTP has no code for either, and OpenSSH no words.

    It has no test of its own: not every kernel has quotas for tmpfs, and other file systems need a loop device, which
    is the machine's, whatever the namespace.
    """
    assert run(COMMAND, shared.bob("--put", "small")).code == 0
    filler = shared.home / "small" / "filler"
    filler.write_bytes(bytes(16384))
    try:
        answer = run(COMMAND, shared.bob("--put", "small"))
    finally:
        filler.unlink()
    assert answer.code == 2
    assert "put small: Failure" in answer.text
    assert "may be left" not in answer.text


def test_a_read_only_folder(shared: Site) -> None:
    folder = shared.home / "in"
    folder.chmod(0o555)
    try:
        answer = run(COMMAND, shared.bob("--put", "in"))
    finally:
        folder.chmod(0o755)
    assert answer.code == 2
    assert "put in: Permission denied" in answer.text


def test_json_says_it_all(shared: Site) -> None:
    facts = json.loads(run(COMMAND, shared.bob("--output-format", "json", "--get", "report.txt")).text)["facts"]
    assert facts["user"] == "bob"
    assert facts["method"] == "password"
    assert facts["host_key_checked"] is False
    assert facts["size"] == len(CONTENT)


def test_no_subsystem(new_folder: Folders) -> None:
    with site(new_folder()) as one:
        answer = run(COMMAND, one.bob())
        assert run(OURS / "check_ssh", one.bob()).code == 0
    assert answer.code == 2
    assert "SFTP CRITICAL - the server gives no SFTP session: " in answer.text


def test_a_forced_rekey(new_folder: Folders) -> None:
    with site(new_folder(), SFTP, "RekeyLimit 16K") as one:
        (one.home / "big").write_bytes(bytes(1_000_000))
        answer = run(COMMAND, one.bob("--get", "big", "--size", "1000000", "--put", "in"))
    assert answer.code == 0, answer.text


def test_a_user_locked_in_a_folder(new_folder: Folders) -> None:
    folder = new_folder()
    jail = folder / "jail"
    match = f"Match User bob; ChrootDirectory {jail}; ForceCommand internal-sftp"
    with site(folder, SFTP, match) as one:
        (jail / "drop").mkdir(parents=True)
        jail.chmod(0o755)
        os.chown(jail / "drop", FIRST_ID, 65534)
        assert run(COMMAND, one.bob("--list", "/", "--min-files", "1", "--put", "/drop")).code == 0
        # What sshd refuses to lock anybody in: a folder that others may write to.
        jail.chmod(0o777)
        answer = run(COMMAND, one.bob("--list", "/"))
    assert answer.code == 2
    assert answer.text.startswith("SFTP CRITICAL - ")


def test_a_server_whose_only_cipher_we_lack(new_folder: Folders) -> None:
    with site(new_folder(), SFTP, "Ciphers chacha20-poly1305@openssh.com") as one:
        answer = run(COMMAND, one.bob())
        offer = run(OURS / "check_ssh", one.where("--algorithms", "-v"))
    assert answer.code == 3
    assert "(no acceptable ciphers); --algorithms shows what the server offers" in answer.text
    assert "chacha20-poly1305@openssh.com" in offer.text


def test_a_server_that_is_overloaded(new_folder: Folders) -> None:
    with (
        site(new_folder(), SFTP, max_startups="1:100:1") as one,
        socket.create_connection((one.server.host, one.server.port)) as first,
    ):
        first.recv(100)
        answer = run(COMMAND, one.bob())
    assert answer.code == 1
    assert "Server is overloaded" in answer.text


def test_the_deadline_covers_the_transfer(new_folder: Folders) -> None:
    with site(new_folder(), SFTP) as one:
        os.mkfifo(one.home / "pipe")
        answer = run(COMMAND, one.bob("--get", "pipe", "-t", "2"))
    assert answer.code == 2
    assert "Socket timeout after 2 seconds (transfer)" in answer.text
