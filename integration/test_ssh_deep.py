"""What check_ssh sees of a real sshd beyond its identification string."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from integration import servers
from integration.contract.compare import OURS, run
from integration.servers import SshServer

pytestmark = pytest.mark.root

COMMAND = OURS / "check_ssh"


@pytest.fixture(params=["host", "host6"])
def where(request: pytest.FixtureRequest, sshd: SshServer) -> list[str]:
    """The words for the address of the server, once for each family."""
    return ["-p", str(sshd.port), "-H", getattr(sshd, request.param)]


def test_the_lists_are_those_that_ssh_sees(sshd: SshServer, where: list[str]) -> None:
    answer = run(COMMAND, ["--algorithms", "--output-format", "json", *where])
    assert answer.code == 0
    lists = json.loads(answer.text)["facts"]["algorithms"]
    said = subprocess.run(
        [
            "ssh",
            "-vvv",
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            *where_of_ssh(sshd),
            "true",
        ],
        capture_output=True,
        text=True,
    ).stderr
    proposal = said.partition("peer server KEXINIT proposal")[2]
    for words, name in (
        ("KEX algorithms: ", "kex_algorithms"),
        ("host key algorithms: ", "server_host_key_algorithms"),
        ("ciphers ctos: ", "encryption_algorithms_client_to_server"),
        ("ciphers stoc: ", "encryption_algorithms_server_to_client"),
        ("MACs ctos: ", "mac_algorithms_client_to_server"),
        ("MACs stoc: ", "mac_algorithms_server_to_client"),
        ("compression ctos: ", "compression_algorithms_client_to_server"),
        ("compression stoc: ", "compression_algorithms_server_to_client"),
    ):
        assert proposal.partition(words)[2].split()[0].split(",") == lists[name]


def where_of_ssh(sshd: SshServer) -> list[str]:
    return ["-o", "UserKnownHostsFile=/dev/null", "-p", str(sshd.port), f"nobody@{sshd.host}"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--policy", "modern"], 0, ""),
        (["--policy", "compatible"], 0, ""),
        (["--require", "hostkey:ssh-ed25519", "--require", "kex:kex-strict-s-*"], 0, ""),
        (["--forbid", "*-cbc", "--forbid", "hostkey:ssh-rsa"], 0, ""),
        (["--require", "hostkey:ssh-dss"], 2, " does not offer hostkey:ssh-dss"),
        (["--forbid", "mac:hmac-sha1"], 2, " offers forbidden mac hmac-sha1"),
        (["--forbid", "mac:*-sha1*"], 2, " offers forbidden mac hmac-sha1-etm@openssh.com and 1 more violation"),
    ],
)
def test_each_option_passes_and_fails(where: list[str], words: list[str], code: int, text: str) -> None:
    answer = run(COMMAND, [*words, *where])
    assert answer.code == code
    assert f" (protocol 2.0){text} | time=" in answer.text


def test_the_log_has_one_line_for_a_check(sshd_alone: SshServer) -> None:
    before = len(sshd_alone.daemon.output.splitlines())
    assert run(COMMAND, ["--algorithms", "-p", str(sshd_alone.port), "-H", sshd_alone.host]).code == 0
    sshd_alone.daemon.wait_until(lambda: len(sshd_alone.daemon.output.splitlines()) > before, "a line in the log")
    new = sshd_alone.daemon.output.splitlines()[before:]
    assert len(new) == 1
    assert "Connection closed by" in new[0]


def test_a_server_that_is_overloaded_has_no_lists(sshd_throttled: SshServer) -> None:
    with socket.create_connection((sshd_throttled.host, sshd_throttled.port)) as first:
        first.recv(100)
        answer = run(COMMAND, ["--algorithms", "-p", str(sshd_throttled.port), "-H", sshd_throttled.host])
    assert answer.code == 1
    assert "Server is overloaded" in answer.text


def test_the_host_key_by_its_fingerprint(sshd: SshServer, where: list[str]) -> None:
    said = subprocess.run(["ssh-keygen", "-lf", sshd.host_key], capture_output=True, text=True, check=True).stdout
    mine = said.split()[1]
    answer = run(COMMAND, ["--fingerprint", mine, "--policy", "compatible", *where])
    assert answer.code == 0, answer.text
    other = f"SHA256:{'A' * 43}"
    answer = run(COMMAND, ["--fingerprint", other, *where])
    assert answer.code == 2
    assert f"host key mismatch, expected {other}, received ssh-ed25519 {mine} |" in answer.text


def test_the_host_key_by_known_hosts(sshd: SshServer, tmp_path: Path) -> None:
    kind, key = sshd.host_key.read_text().split()[:2]
    known = tmp_path / "known_hosts"
    where = ["--known-hosts", str(known), "-p", str(sshd.port), "-H", sshd.host]
    known.write_text(f"[{sshd.host}]:{sshd.port} {kind} {key}\n")
    assert run(COMMAND, where).code == 0
    known.write_text(f"[{sshd.host}]:1 {kind} {key}\n")
    answer = run(COMMAND, where)
    assert answer.code == 2
    assert "is not known" in answer.text


def test_a_server_that_has_host_certificates_alone(new_folder: Callable[[], Path], tmp_path: Path) -> None:
    """The key within is the one that counts; its authority is not asked."""
    host_key, authority = servers.ssh_key(tmp_path / "host_key"), servers.ssh_key(tmp_path / "authority")
    sign = ("ssh-keygen", "-q", "-h", "-I", "host", "-n", servers.HOST)
    subprocess.run([*sign, "-s", authority, f"{host_key}.pub"], check=True)
    more = (
        f"HostKey {host_key}",
        f"HostCertificate {host_key}-cert.pub",
        "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com",
    )
    known = tmp_path / "known_hosts"
    with servers.sshd(new_folder(), servers.free_port(), more=more) as server:
        where = ["--known-hosts", str(known), "-p", str(server.port), "-H", server.host]
        known.write_text(f"[{server.host}]:{server.port} {Path(f'{host_key}.pub').read_text()}")
        right = run(COMMAND, where)
        known.write_text(f"@cert-authority * {Path(f'{authority}.pub').read_text()}")
        unknown = run(COMMAND, where)
    assert right.code == 0, right.text
    assert unknown.code == 2
    assert "is not known" in unknown.text
