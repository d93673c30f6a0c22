"""Logins of check_sftp at a real sshd: passwords, keys, certificates, an agent, and what servers say to them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.accounts import passwords_through_pam
from integration.contract.compare import run
from integration.sftp_site import COMMAND, PASSWORD, SFTP, Site, site

pytestmark = pytest.mark.root

Folders = Callable[[], Path]
ASKS = ("AuthenticationMethods keyboard-interactive", "KbdInteractiveAuthentication yes", "UsePAM yes")


@pytest.fixture(scope="module")
def shared(new_folder: Folders) -> Iterator[Site]:
    with site(new_folder(), SFTP) as one:
        yield one


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
    assert before.returncode == 3
    assert "login as root: the agent has no keys" in before.stdout
    assert (after.returncode, after.stderr) == (0, ""), after.stdout


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_an_agent_with_a_certificate(new_folder: Folders, tmp_path: Path, kind: str) -> None:
    """Of an authority that the server knows, whereas it does not know the key."""
    key, authority, place = tmp_path / "id", tmp_path / "authority", tmp_path / "agent"
    for path, its_kind in ((key, kind), (authority, "ed25519")):
        subprocess.run(["ssh-keygen", "-q", "-t", its_kind, "-N", "", "-f", path], check=True)
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "b", "-n", "bob", f"{key}.pub"], check=True)
    with (
        site(new_folder(), SFTP, f"TrustedUserCAKeys {authority}.pub") as one,
        subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL) as agent,
    ):
        try:
            while not place.exists():
                assert agent.poll() is None
            environment = os.environ | {"SSH_AUTH_SOCK": str(place)}
            subprocess.run(["ssh-add", "-q", key], env=environment, check=True, capture_output=True)
            words = [str(COMMAND), *one.where("--user", "bob", "--agent")]
            answer = subprocess.run(words, env=environment, capture_output=True, text=True)
        finally:
            agent.terminate()
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout


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
