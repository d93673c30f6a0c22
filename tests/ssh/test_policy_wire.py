"""The check of the algorithms, over every driver and both families."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import noidchecks
from noidchecks import NotConnected, PeerError, Result, SshProbe, State, check
from noidchecks.demo.server_process import ServerProcess
from noidchecks.plugin.main import run as run_plugin
from noidchecks.plugin.plugin import parse
from noidchecks.ssh.dialogue import OUR_IDENTIFICATION
from noidchecks.ssh.kexinit import PACKET_LIMIT, Kexinit, PacketReader
from tests.support.ssh import HOLD, LISTEN, PACKET, RESET, Step, kexinit, packet, serve
from tests.support.ssh_logins import late
from tests.support.waiting import LONG

Check = Callable[[SshProbe], Result]
Q = b"SSH-2.0-OpenSSH_9.2p1\r\n"
FINE = "SSH OK - OpenSSH_9.2p1 (protocol 2.0)"
BYE = packet(b"\1\0\0\0\x02\0\0\0\x0etoo many users" + bytes(4))
DEBUG = packet(b"\4\0" + bytes(8))


def in_drops(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[i : i + 1] for i in range(len(data)))


TABLE: list[tuple[str, tuple[Step, ...], dict[str, object], str]] = [
    ("healthy", (Q, kexinit()), {}, FINE),
    ("in one segment", (Q + kexinit(),), {}, FINE),
    ("in drops", in_drops(Q + kexinit()), {}, FINE),
    ("after our identification", (Q, LISTEN, kexinit()), {}, FINE),
    ("waits for ours first", (LISTEN, Q + kexinit()), {}, FINE),
    ("more behind it", (Q + kexinit() + b"junk",), {}, FINE),
    ("messages before it", (Q, DEBUG, packet(b"\2" + bytes(4)), kexinit()), {}, FINE),
    ("modern", (Q, kexinit()), {"policy": "modern"}, FINE),
    (
        "not compatible",
        (Q, kexinit(server_host_key_algorithms="ssh-rsa,ssh-dss")),
        {"policy": "compatible"},
        f"SSH CRITICAL{FINE[6:]} offers hostkey ssh-rsa, against the compatible policy and 1 more violation",
    ),
    (
        "forbidden",
        (Q, kexinit()),
        {"forbid": ("*25519*", "mac:*")},
        f"SSH CRITICAL{FINE[6:]} offers forbidden kex sntrup761x25519-sha512 and 3 more violations",
    ),
    ("missing", (Q, kexinit()), {"require": ("kex:mlkem*",)}, f"SSH CRITICAL{FINE[6:]} does not offer kex:mlkem*"),
    (
        "version first",
        (Q, kexinit()),
        {"require": ("x",), "remote_version": "y"},
        f"SSH CRITICAL{FINE[6:]} version mismatch, expected 'y'",
    ),
    ("hostile pattern", (Q, kexinit()), {"require": ("a|b",)}, f"SSH CRITICAL{FINE[6:]} does not offer a b"),
    (
        "hostile name",
        (Q, kexinit(kex_algorithms="a|b=1;<b>")),
        {"forbid": ("a|*",)},
        f"SSH CRITICAL{FINE[6:]} offers forbidden kex a b=1;< b>",
    ),
    ("closes", (Q,), {}, "SSH CRITICAL - Invalid KEXINIT: the connection ends before it"),
    ("closes inside", (Q, kexinit()[:50]), {}, "SSH CRITICAL - Invalid KEXINIT: the connection ends inside it"),
    ("no line end", (Q.rstrip(),), {}, "SSH CRITICAL - Invalid KEXINIT: the connection ends before it"),
    ("resets", (Q, LISTEN, RESET), {}, "SSH CRITICAL - connection lost (kexinit): Connection reset by peer"),
    ("disconnects", (Q, BYE), {}, "SSH CRITICAL - Server disconnects: too many users"),
    (
        "disconnects, hostile",
        (Q, packet(b"\1\0\0\0\x02\0\0\0\x05\n|x=1" + bytes(4))),
        {},
        "SSH CRITICAL - Server disconnects:   x=1",
    ),
    ("text", (Q, b"Protocol mismatch.\n"), {}, "SSH CRITICAL - Invalid KEXINIT: packet length 1349676916"),
    ("zeros", (Q, bytes(100), HOLD), {}, "SSH CRITICAL - Invalid KEXINIT: packet length 0"),
    ("too long", (Q, b"\0\1\0\0\4\x14", HOLD), {}, "SSH CRITICAL - Invalid KEXINIT: packet length 65536"),
    (
        "padding",
        (Q, b"\0\0\0\x0c\xff", HOLD),
        {},
        "SSH CRITICAL - Invalid KEXINIT: padding of 255 bytes in a packet of 12",
    ),
    ("other message", (Q, packet(b"\x15" + bytes(9)), HOLD), {}, "SSH CRITICAL - Invalid KEXINIT: not a KEXINIT"),
    (
        "empty list",
        (Q, kexinit(kex_algorithms="a,,b"), HOLD),
        {},
        "SSH CRITICAL - Invalid KEXINIT: kex_algorithms has an empty name",
    ),
    (
        "long messages",
        (Q, packet(b"\x02" + bytes(34000)) * 10, HOLD),
        {},
        "SSH CRITICAL - Invalid KEXINIT: it does not end within 131072 bytes",
    ),
    ("endless messages", (Q, DEBUG * 40, HOLD), {}, "SSH CRITICAL - Invalid KEXINIT: not a KEXINIT"),
    ("version 1", (b"SSH-1.5-1.2.27\r\n", HOLD), {}, "SSH CRITICAL - Protocol 1.5 has no KEXINIT"),
    ("overloaded", (b"Exceeded MaxStartups\r\n",), {}, "SSH WARNING - Server is overloaded: Exceeded MaxStartups"),
]


@pytest.mark.parametrize(("steps", "settings", "text"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_table(run: Check, host: str, steps: tuple[Step, ...], settings: dict[str, object], text: str) -> None:
    with serve(*steps, host=host) as server:
        probe = SshProbe(host, port=server.port, timeout=LONG, algorithms=True, **settings)  # type: ignore[arg-type]
        result = run(probe)
        if "reset" not in text and "overloaded" not in text:
            assert server.heard() == OUR_IDENTIFICATION
    assert result.text == text
    assert result.text.split()[1] == result.state.name
    assert str(result).startswith(f"{text} | time=")
    assert str(result).count("|") == 1
    assert "\n" not in str(result)


@pytest.mark.parametrize(
    "settings", [{"algorithms": True}, {"policy": "modern"}, {"forbid": ("*-cbc",)}, {"require": ("none",)}]
)
@pytest.mark.parametrize("before", [(Q,), (LISTEN, Q), (Q, DEBUG)], ids=["", "ours first", "debug"])
def test_a_server_that_waits_for_our_kexinit(
    run: Check, host: str, settings: dict[str, object], before: tuple[Step, ...]
) -> None:
    """Cisco's switches and AudioCodes' session border controllers do."""
    with serve(*before, PACKET, kexinit(), host=host) as server:
        result = run(SshProbe(host, port=server.port, timeout=LONG, **settings))  # type: ignore[arg-type]
        heard = server.heard()
    assert result.text == FINE
    ours, packet = heard.removeprefix(OUR_IDENTIFICATION), PacketReader(heard.removeprefix(OUR_IDENTIFICATION))
    payload = packet.next()
    assert payload is not None
    assert len(ours) <= PACKET_LIMIT
    offer = Kexinit.parse(payload)
    assert all(offer.lists()[name] for name in Kexinit._fields[:8])
    assert packet.next() is None


def test_a_server_that_is_silent_after_both(run: Check) -> None:
    with serve(Q, PACKET, HOLD) as server:
        late("seconds (kexinit)", run, SshProbe("127.0.0.1", port=server.port, algorithms=True))


@pytest.mark.parametrize(
    "steps", [(Q, HOLD), (Q, kexinit()[:40], HOLD), (Q, *((DEBUG, 0.1) * 300))], ids=["", "begun", "slow"]
)
def test_the_deadline_covers_it(run: Check, steps: tuple[Step, ...]) -> None:
    with serve(*steps) as server:
        result = late("(kexinit)", run, SshProbe("127.0.0.1", port=server.port, algorithms=True))
    assert result.text.startswith("CRITICAL - Socket timeout after ")
    assert result.facts["software"] == "OpenSSH_9.2p1"


def test_failures_carry_both_sides(run: Check) -> None:
    with serve(Q, b"HTTP/1.1 400 Bad Request\r\n") as server:
        failure = run(SshProbe("127.0.0.1", port=server.port, algorithms=True)).failure
    assert isinstance(failure, PeerError)
    assert failure.phase == "kexinit"
    assert failure.expected == "KEXINIT"
    assert isinstance(failure.received, bytes)
    assert failure.received.startswith(b"HTTP/1.1")
    with serve(Q, LISTEN, RESET) as server:
        assert isinstance(run(SshProbe("127.0.0.1", port=server.port, algorithms=True)).failure, NotConnected)


def test_parts_facts_and_phases(run: Check) -> None:
    with serve(Q, kexinit()) as server:
        result = run(SshProbe("127.0.0.1", port=server.port, algorithms=True, show_phases=True))
    assert [part.text for part in result.parts][2] == (
        "Server offers 3 kex, 2 hostkey, 2 cipher, 1 mac, 1 compression algorithms"
    )
    algorithms = result.facts["algorithms"]
    assert isinstance(algorithms, dict)
    assert algorithms["mac_algorithms_client_to_server"] == ["hmac-sha2-256"]
    assert list(result.timings.phases) == ["resolve", "connect", "greeting", "kexinit"]
    assert [metric.label for metric in result.metrics] == ["time", "dns", "connect", "greeting", "kexinit"]


def test_parts_of_many_violations_are_bounded(run: Check) -> None:
    many = ",".join(f"weak{number}" for number in range(3000))
    with serve(Q, kexinit(kex_algorithms=many)) as server:
        result = run(SshProbe("127.0.0.1", port=server.port, forbid=("weak*",)))
    assert result.text == f"SSH CRITICAL{FINE[6:]} offers forbidden kex weak0 and 2999 more violations"
    assert [part.state for part in result.parts].count(State.CRITICAL) == 20


@pytest.mark.parametrize("settings", [{"forbid": ("x",)}, {"require": ("none",)}, {"policy": "modern"}])
def test_each_option_reads_the_offer(settings: dict[str, object]) -> None:
    with serve(Q, kexinit()) as server:
        result = check(SshProbe("127.0.0.1", port=server.port, **settings))  # type: ignore[arg-type]
    assert result.ok
    assert "algorithms" in result.facts


def test_without_the_options_nothing_is_different(run: Check) -> None:
    with serve(Q + kexinit(), HOLD) as server:
        result = run(SshProbe("127.0.0.1", port=server.port))
        assert server.heard() == OUR_IDENTIFICATION
    assert str(result).startswith(f"{FINE} | time=")
    assert "algorithms" not in result.facts
    assert len(result.parts) == 3
    assert list(result.timings.phases) == ["resolve", "connect", "greeting"]


def test_options() -> None:
    words = "check_ssh --algorithms --forbid *-cbc --forbid kex:*-sha1 --require kex:mlkem* --policy MODERN h"
    assert parse(words.split()).probe == SshProbe(
        "h", algorithms=True, forbid=("*-cbc", "kex:*-sha1"), require=("kex:mlkem*",), policy="modern"
    )
    code, text = run_plugin("check_ssh", ["check_ssh", "--policy", "weak", "h"])
    assert code == 3
    assert text.startswith("check_ssh: Policy must be one of modern, compatible: weak\n")


def test_verbose_prints_the_lists() -> None:
    with serve(Q, kexinit()) as server:
        _, text = run_plugin("check_ssh", ["check_ssh", "-v", "--algorithms", "127.0.0.1", str(server.port)])
        _, plain = run_plugin("check_ssh", ["check_ssh", "--algorithms", "127.0.0.1", str(server.port)])
    assert text.splitlines()[-8:][1] == "server_host_key_algorithms: rsa-sha2-512, ssh-ed25519"
    assert "\n" not in plain


def test_json_has_the_lists() -> None:
    with serve(Q, kexinit()) as server:
        words = ["check_ssh", "--output-format", "json", "--algorithms", "127.0.0.1", str(server.port)]
        _, text = run_plugin("check_ssh", words)
    assert json.loads(text)["facts"]["algorithms"]["server_host_key_algorithms"] == ["rsa-sha2-512", "ssh-ed25519"]


def test_a_server_of_paramiko(run: Check) -> None:
    import paramiko

    with ServerProcess("ssh", "lab_1") as server:
        result = run(SshProbe("127.0.0.1", port=server.port, algorithms=True, require=("hostkey:ecdsa-*",)))
    assert result.text == "SSH OK - lab_1 (protocol 2.0)"
    algorithms = result.facts["algorithms"]
    assert isinstance(algorithms, dict)
    offered = algorithms["encryption_algorithms_client_to_server"]
    assert offered == list(paramiko.Transport._preferred_ciphers)


def test_no_cryptography_is_imported() -> None:
    program = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from noidchecks.plugin.main import run\n"
        "words = ['check_ssh', '--policy', 'modern', '--forbid', '*-cbc', '127.0.0.1', sys.argv[1]]\n"
        "assert run('check_ssh', words)[0] == 0\n"
        "print(*sys.modules)"
    )
    with serve(Q, kexinit()) as server:
        loaded = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program, str(server.port), str(Path(noidchecks.__file__).parents[1])],
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split()
    heavy = {"asyncio", "ssl", "socket", "logging", "typing", "enum", "re", "fnmatch", "paramiko", "cryptography"}
    assert not heavy.intersection(loaded)
