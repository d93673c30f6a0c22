"""Login and SFTP checks against a real sshd: each option once passing and once failing, for the right reason."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.accounts import FIRST_ID, Account, accounts, passwords_through_pam
from integration.contract.compare import OURS, run
from integration.servers import SshServer, free_port, sshd

pytestmark = pytest.mark.root

Folders = Callable[[], Path]
COMMAND = OURS / "check_sftp"
PASSWORD = "correct horse"
CONTENT = b"what lies on the server\n"


@dataclass(frozen=True, slots=True)
class Site:
    """An sshd where bob lives, with the words that name it and log bob in."""

    server: SshServer
    home: Path
    folder: Path

    def where(self, *words: str, host: str | None = None) -> list[str]:
        return [*words, "-p", str(self.server.port), "-H", host or self.server.host]

    def bob(self, *words: str, host: str | None = None) -> list[str]:
        login = ("--user", "bob", "--password-file", str(self.folder / "password"))
        return self.where(*login, *words, host=host)

    def fingerprint(self) -> str:
        said = subprocess.run(
            ["ssh-keygen", "-lf", self.server.host_key], capture_output=True, text=True, check=True
        ).stdout
        return said.split()[1]


@contextmanager
def site(folder: Path, *more: str, max_startups: str | None = None, expired: bool = False) -> Iterator[Site]:
    """Runs sshd with a user bob, whose home has a file and a folder that he may write to."""
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir()
    (home / "in").mkdir()
    (home / "report.txt").write_bytes(CONTENT)
    for path in (home, home / "in"):
        os.chown(path, FIRST_ID, 65534)
    (home / "small").mkdir()
    # Before sshd starts, which has mounts of its own from then on.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=0777", "tmpfs", home / "small"], check=True)
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "server").mkdir()
    try:
        yield from _run(folder, home, more, max_startups, expired)
    finally:
        subprocess.run(["umount", home / "small"], check=True)


def _run(folder: Path, home: Path, more: tuple[str, ...], max_startups: str | None, expired: bool) -> Iterator[Site]:
    options = ("PasswordAuthentication yes", *more)
    with (
        accounts(folder, Account(name="bob", password=PASSWORD, home=home, expired=expired)),
        sshd(folder / "server", free_port(), more=options, sftp=False, max_startups=max_startups) as server,
    ):
        yield Site(server, home, folder)


SFTP = "Subsystem sftp internal-sftp"


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


def test_the_wrong_password_and_an_unknown_user(shared: Site, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("incorrect\n")
    for user in ("bob", "nobody-here"):
        answer = run(COMMAND, shared.where("--user", user, "--password-file", str(wrong)))
        assert answer.code == 2
        assert f"login as {user}: password refused; the server offers publickey, password | time=" in answer.text


def test_keys(shared: Site, tmp_path: Path) -> None:
    key = str(shared.server.user_key)
    assert run(COMMAND, shared.where("--user", "root", "--identity", key)).code == 0
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", other], check=True)
    answer = run(COMMAND, shared.where("--user", "root", "--identity", str(other)))
    assert answer.code == 2
    assert f"login as root: key {other} refused; the server offers publickey, password" in answer.text
    locked = tmp_path / "locked"
    locked.write_bytes(shared.server.user_key.read_bytes())
    locked.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", locked], check=True)
    (tmp_path / "phrase").write_text("open sesame\n")
    words = ("--user", "root", "--identity", str(locked))
    assert run(COMMAND, shared.where(*words, "--passphrase-file", str(tmp_path / "phrase"))).code == 0
    answer = run(COMMAND, shared.where(*words))
    assert answer.code == 3
    assert f"cannot read identity {locked}: it is encrypted" in answer.text
    assert run(COMMAND, shared.where(*words, "--identity", key)).code == 0


def test_a_certificate_beside_a_key(new_folder: Folders, tmp_path: Path) -> None:
    """Of an authority that the server knows, and without that: it still knows the key."""
    key, authority = tmp_path / "id", tmp_path / "authority"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", authority], check=True)
    for trust, way in ((f"TrustedUserCAKeys {authority}.pub", f"certificate {key}-cert.pub"), ("", f"key {key}")):
        with site(new_folder(), SFTP, trust) as one:
            key.write_bytes(one.server.user_key.read_bytes())
            key.chmod(0o600)
            public = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, check=True).stdout
            key.with_suffix(".pub").write_bytes(public)
            subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "r", "-n", "root", f"{key}.pub"], check=True)
            answer = run(COMMAND, one.where("--user", "root", "--identity", str(key), "--output-format", "json"))
        assert json.loads(answer.text)["facts"]["method"] == way


def test_an_agent(shared: Site, tmp_path: Path) -> None:
    place = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL) as agent:
        try:
            while not place.exists():
                assert agent.poll() is None
            environment = {"SSH_AUTH_SOCK": str(place)}
            words = [str(COMMAND), *shared.where("--user", "root", "--agent")]
            before = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True)
            subprocess.run(
                ["ssh-add", "-q", shared.server.user_key], env=os.environ | environment, check=True, capture_output=True
            )
            after = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True)
        finally:
            agent.terminate()
    assert before.returncode == 2
    assert "login as root: agent has no keys; the server offers" in before.stdout
    assert (after.returncode, after.stderr) == (0, ""), after.stdout


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


ASKS = ("AuthenticationMethods keyboard-interactive", "KbdInteractiveAuthentication yes", "UsePAM yes")


def test_keyboard_interactive(new_folder: Folders, tmp_path: Path) -> None:
    folder = new_folder()
    wrong = tmp_path / "wrong"
    wrong.write_text("incorrect\n")
    with passwords_through_pam(folder), site(folder, SFTP, *ASKS) as one:
        right = run(COMMAND, one.bob("--get", "report.txt", "--output-format", "json"))
        refused = run(COMMAND, one.where("--user", "bob", "--password-file", str(wrong)))
    assert right.code == 0, right.text
    assert json.loads(right.text)["facts"]["method"] == "password by keyboard-interactive"
    assert PASSWORD not in right.text
    assert refused.code == 2
    assert refused.text.startswith(
        "SFTP CRITICAL - login as bob: password by keyboard-interactive refused; the server offers keyboard-interactive"
    )


def test_a_password_that_has_expired(new_folder: Folders) -> None:
    """It is not given as the answer to a question for a new one."""
    folder = new_folder()
    with passwords_through_pam(folder), site(folder, SFTP, *ASKS, expired=True) as one:
        answer = run(COMMAND, one.bob())
    assert answer.code == 2
    assert answer.text.startswith("SFTP CRITICAL - login as bob: the server asks for more than a password: ")


def test_a_server_that_takes_keys_alone(new_folder: Folders) -> None:
    with site(new_folder(), SFTP, "AuthenticationMethods publickey") as one:
        answer = run(COMMAND, one.bob())
    assert answer.code == 2
    assert "login as bob: password not accepted; the server offers publickey" in answer.text


def test_a_server_that_has_had_enough(new_folder: Folders, tmp_path: Path) -> None:
    """It ends the connection instead of refusing the password."""
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with site(new_folder(), SFTP, "MaxAuthTries 2") as one:
        assert run(COMMAND, one.bob("--identity", str(key))).code == 0
        answer = run(COMMAND, one.bob("--identity", str(key), "--identity", str(key)))
    assert answer.code == 2
    assert answer.text.startswith(f"SFTP CRITICAL - login as bob: key {key} refused, ")
    assert ": the server ends the connection: Too many authentication failures" in answer.text


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
