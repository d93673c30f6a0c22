"""The check of the host key against servers of paramiko and hostile ones, over every driver and both families."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paramiko
import pytest

import noidchecks
from noidchecks import LocalError, PeerError, Result, SshProbe, State, UsageError
from noidchecks.plugin.main import run as run_plugin
from noidchecks.plugin.plugin import parse
from tests.support.ssh import HOLD, LISTEN, RESET, Step, kexinit, packet, serve
from tests.support.ssh_logins import late
from tests.support.waiting import LONG, until

Check = Callable[[SshProbe], Result]
Q = b"SSH-2.0-OpenSSH_9.2p1\r\n"
FINE = "SSH OK - lab_1 (protocol 2.0)"
FAILED = "SSH CRITICAL - Key exchange failed: "
OTHER = f"SHA256:{'A' * 43}"
KEYS: tuple[Any, ...] = (paramiko.ECDSAKey.generate(), paramiko.RSAKey.generate(2048))
# One in which paramiko finds something, so that it goes on to the key exchange.
OFFER = kexinit(kex_algorithms="curve25519-sha256@libssh.org")
ECDSA, RSA = (key.fingerprint for key in KEYS)


@contextmanager
def ssh_server(host: str = "127.0.0.1") -> Iterator[int]:
    """Runs a server of paramiko with both keys and yields its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    transports: list[paramiko.Transport] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                transport = paramiko.Transport(client)
                transport.local_version = "SSH-2.0-lab_1"
                for key in KEYS:
                    transport.add_server_key(key)
                transports.append(transport)
                transport.start_server(event=threading.Event(), server=paramiko.ServerInterface())

    with socket.create_server((host, 0), family=family) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
    for transport in transports:
        transport.close()


@pytest.mark.parametrize("settings", [{}, {"algorithms": True}, {"require": ("hostkey:ecdsa*",), "show_phases": True}])
def test_the_expected_key(run: Check, host: str, settings: dict[str, Any]) -> None:
    with ssh_server(host) as port:
        result = run(SshProbe(host, port=port, timeout=5, fingerprints=(OTHER, ECDSA), **settings))
    assert result.text == FINE
    assert f"Server has the expected host key ecdsa-sha2-nistp256 {ECDSA}" in [part.text for part in result.parts]
    assert result.facts["host_key"] == {"type": "ecdsa-sha2-nistp256", "fingerprint": ECDSA}
    assert "kex" in result.timings.phases


def test_another_key(run: Check, host: str) -> None:
    with ssh_server(host) as port:
        result = run(SshProbe(host, port=port, timeout=5, fingerprints=(OTHER, RSA)))
    assert result.state == State.CRITICAL
    assert result.text == (
        f"SSH CRITICAL - lab_1 (protocol 2.0) host key mismatch, expected {OTHER} or {RSA}, "
        f"received ecdsa-sha2-nistp256 {ECDSA}"
    )


def test_a_working_directory_that_was_deleted(run: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with ssh_server() as port:
        result = run(SshProbe("127.0.0.1", port=port, fingerprints=(ECDSA,), timeout=LONG))
    assert result.text == FINE


def test_an_unwanted_algorithm_outranks_the_key(run: Check) -> None:
    with ssh_server() as port:
        result = run(SshProbe("127.0.0.1", port=port, timeout=5, fingerprints=(OTHER,), require=("x",)))
    assert result.text == "SSH CRITICAL - lab_1 (protocol 2.0) does not offer x"
    assert [part.state for part in result.parts].count(State.CRITICAL) == 2


def known(path: Path, *lines: str) -> str:
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def line_of(host: str, key: Any) -> str:
    return f"{host} {key.get_name()} {key.get_base64()}"


@pytest.mark.parametrize("key", KEYS, ids=["ecdsa", "rsa"])
@pytest.mark.parametrize("hashed", [False, True], ids=["plain", "hashed"])
def test_known_hosts(run: Check, host: str, tmp_path: Path, key: Any, hashed: bool) -> None:
    with ssh_server(host) as port:
        name = f"[{host}]:{port}"
        path = known(tmp_path / "k", "# mine", line_of(paramiko.HostKeys.hash_host(name) if hashed else name, key))
        result = run(SshProbe(host, port=port, timeout=5, known_hosts=path))
    # The key of the kind that the file has is asked for, though the server has another one too.
    assert result.text == FINE
    assert result.facts["host_key"] == {"type": key.get_name(), "fingerprint": key.fingerprint}


def test_known_hosts_with_lines_that_are_none_and_other_letters(run: Check, tmp_path: Path) -> None:
    with ssh_server() as port:
        path = tmp_path / "k"
        good = line_of(f"[LocalHost]:{port}", KEYS[0]).encode()
        path.write_bytes(
            b"cut ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB\ngr\xfc\xdf ssh-ed25519 AAAA\nwords, only\n\0\n" + good
        )
        for name in ("localhost", "LOCALHOST"):
            result = run(SshProbe(name, port=port, family=socket.AF_INET, timeout=5, known_hosts=str(path)))
            assert result.text == FINE, name


@pytest.mark.parametrize("pinned", [False, True])
def test_a_revoked_key_is_refused(run: Check, tmp_path: Path, pinned: bool) -> None:
    with ssh_server() as port:
        name = f"[127.0.0.1]:{port}"
        path = known(tmp_path / "k", line_of(name, KEYS[0]), line_of("@revoked *", KEYS[0]))
        pins = (ECDSA,) if pinned else ()
        result = run(SshProbe("127.0.0.1", port=port, timeout=5, known_hosts=path, fingerprints=pins))
    assert result.state == State.CRITICAL
    assert f"host key ecdsa-sha2-nistp256 {ECDSA} is revoked in {path}" in result.text


def test_known_hosts_without_the_host_or_with_another_key(run: Check, tmp_path: Path) -> None:
    with ssh_server() as port:
        path = known(tmp_path / "k", line_of("other.example", KEYS[0]), line_of("127.0.0.1", KEYS[0]))
        probe = SshProbe("127.0.0.1", port=port, timeout=5, known_hosts=path)
        # ssh(1) takes it too.
        assert run(probe).text == FINE
        other = paramiko.ECDSAKey.generate()
        for lines in ([line_of("other.example", KEYS[0])], [line_of("127.0.0.1", other)]):
            known(tmp_path / "k", *lines)
            assert run(probe).text == (
                f"SSH CRITICAL - lab_1 (protocol 2.0) host key ecdsa-sha2-nistp256 {ECDSA} is not known, "
                f"{path} has none for the server"
            )
        known(tmp_path / "k", line_of(f"[127.0.0.1]:{port}", other))
        assert run(probe).text.startswith(
            f"SSH CRITICAL - lab_1 (protocol 2.0) host key mismatch, expected {other.fingerprint}, received "
        )


def test_known_hosts_that_cannot_be_read(run: Check, tmp_path: Path) -> None:
    with ssh_server() as port:
        result = run(SshProbe("127.0.0.1", port=port, timeout=5, known_hosts=str(tmp_path / "none")))
    assert result.text == f"SSH UNKNOWN - cannot read known hosts {tmp_path}/none: No such file or directory"
    assert isinstance(result.failure, LocalError)


HOSTILE: list[tuple[str, tuple[Step, ...], str]] = [
    ("closes", (Q, LISTEN), "the connection ends"),
    ("resets", (Q, LISTEN, RESET), ""),
    ("text", (Q, b"HTTP/1.1 400 Bad Request\r\n\r\n"), ""),
    ("zeros", (Q, bytes(500), HOLD), ""),
    ("a part of a KEXINIT and the end", (Q, OFFER[:30]), ""),
    ("a broken KEXINIT", (Q, packet(b"\x14" + bytes(16) + b"\xff" * 40), HOLD), ""),
    ("another message", (Q, packet(b"\x1f" + b"\xff" * 60), HOLD), ""),
    ("an unreadable comment", (b"SSH-2.0-x \xff\xfe\r\n", LISTEN), "the connection ends"),
    ("version 1", (b"SSH-1.5-1.2.27\r\n", HOLD), "Incompatible version (1.5 instead of 2.0)"),
]


@pytest.mark.parametrize(("steps", "text"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_hostile_servers(
    run: Check, host: str, steps: tuple[Step, ...], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve(*steps, host=host) as server:
        # No failure of these is a deadline, which would say so.
        result = run(SshProbe(host, port=server.port, timeout=LONG, fingerprints=(OTHER,)))
    assert result.text.startswith(FAILED + text)
    assert str(result).count("|") == 1
    assert str(result).isprintable()
    assert isinstance(result.failure, PeerError)
    assert result.failure.phase == "kex"
    # No traceback of a library.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "steps", [(Q, kexinit(kex_algorithms="sntrup761x25519-sha512")), (Q, kexinit(kex_algorithms="x|y=1"), HOLD)]
)
def test_a_server_that_has_nothing_in_common_with_us_is_not_called_sick(
    run: Check, host: str, steps: tuple[Step, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    with serve(*steps, host=host) as server:
        result = run(SshProbe(host, port=server.port, timeout=5, fingerprints=(OTHER,)))
    assert result.text == (
        "SSH UNKNOWN - Key exchange failed: Incompatible ssh peer (no acceptable kex algorithm); "
        "--algorithms shows what the server offers"
    )
    assert isinstance(result.failure, LocalError)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("steps", [(Q, HOLD), (Q, OFFER, HOLD), (Q, OFFER[:30], HOLD)])
def test_a_silent_server_is_a_timeout(run: Check, steps: tuple[Step, ...], capfd: pytest.CaptureFixture[str]) -> None:
    before, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with serve(*steps) as server:
        result = late("(kex)", run, SshProbe("127.0.0.1", port=server.port, fingerprints=(OTHER,)))
    assert result.text.startswith("CRITICAL - Socket timeout after ")
    until(lambda: threading.active_count() <= before and len(os.listdir("/proc/self/fd")) <= files)
    assert capfd.readouterr() == ("", "")


def test_an_endless_identification_string_never_reaches_paramiko(run: Check) -> None:
    with serve(b"SSH-2.0-" + b"x" * 100_000, HOLD) as server:
        result = run(SshProbe("127.0.0.1", port=server.port, timeout=5, fingerprints=(OTHER,)))
    assert "(longer than 255 bytes)" in result.text


def test_options() -> None:
    words = f"check_ssh --fingerprint {OTHER} --fingerprint {ECDSA} --known-hosts /etc/k h"
    assert parse(words.split()).probe == SshProbe("h", fingerprints=(OTHER, ECDSA), known_hosts="/etc/k")
    code, text = run_plugin("check_ssh", ["check_ssh", "--fingerprint", "MD5:00", "h"])
    assert code == 3
    assert text.startswith("check_ssh: Fingerprint must be SHA256: and 43 characters, not MD5:00\n")


@pytest.mark.parametrize("text", ["", "SHA256:", OTHER[7:], OTHER + "A", OTHER[:-1] + "|", OTHER[:-1] + "\u00e4"])
def test_what_is_no_fingerprint(text: str) -> None:
    with pytest.raises(UsageError, match="Fingerprint must be SHA256: and 43 characters"):
        SshProbe("h", fingerprints=(text,))


@pytest.mark.parametrize("words", [[], ["--algorithms"], ["--fingerprint", OTHER]])
def test_paramiko_is_imported_in_worker_processes_only(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from noidchecks.plugin.main import run\n"
        "run('check_ssh', ['check_ssh', *sys.argv[2:], '127.0.0.1', sys.argv[1]])\n"
        "print('paramiko' in sys.modules, 'logging' in sys.modules)"
    )
    with serve(Q, kexinit()) as server:
        said = subprocess.run(
            [sys.executable, "-c", program, str(server.port), *words],
            capture_output=True,
            check=True,
            text=True,
            cwd=Path(noidchecks.__file__).parents[1],
        )
    assert said.stdout.split() == ["False"] * 2
    assert said.stderr == ""
