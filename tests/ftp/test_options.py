"""The command line of check_ftp: from words to a probe, and the texts of its errors."""

from __future__ import annotations

from typing import Any

import pytest

from noidchecks import FtpProbe, Range, State, UsageError
from noidchecks.plugin.main import run
from tests.support.ftp_command_line import probe


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-H", "h"], {"host": "h", "port": 21, "timeout": 10, "show_host": True}),
        (["h"], {"host": "h", "show_host": False}),
        (["h", "-p", "2121"], {"host": "h", "port": 2121, "show_host": False}),
        (["-p", "2121", "h"], {"host": "h", "show_host": False}),
        (["a", "-p", "1", "b"], {"host": "b"}),
        (["-p", "2121"], {"host": "127.0.0.1", "show_host": False}),
        (["-H", "a", "-H", "b"], {"host": "b"}),
        (["-H", "h", "", "-p", "99"], {"host": "h", "port": 21}),
        (["-H", "h", "stray", "words"], {"host": "h", "show_host": True}),
        (["-Hh", "-p22", "-jw1"], {"host": "h", "port": 22, "jail": True, "warning": Range(0, 1)}),
        (["--hostname=h", "--po", "7", "--ti", "5"], {"host": "h", "port": 7, "timeout": 5}),
        (["-H", "h", "-r", "okay", "-M", "critical"], {"refuse_state": State.OK, "mismatch_state": State.CRITICAL}),
        (["-H", "h", "-s", "HELP\\r\\n"], {"send": b"HELP\\r\\n"}),
        (["-H", "h", "-E", "-s", "HE\\tLP\\\\x\\q\\r\\n"], {"send": b"HE\tLP\\xq\r\n"}),
        (["-H", "h", "-s", "a\\n", "-E", "-q", "b\\n"], {"send": b"a\\n", "quit": b"b\n"}),
        (["-H", "h", "-E", "-s", "a\\"], {"send": b"a"}),
        (["-H", "h", "-q", "BYE"], {"quit": b"BYE\r\n"}),
        (["-H", "h", "-e", "a", "-e", "b", "-A"], {"expect": (b"a", b"b"), "match_all": True}),
        (["-H", "h", "-m", "5", "-d", "2"], {"maxbytes": 5, "delay": 2}),
        (["-H", "h", "-D", "30,14"], {"certificate_days": (30, 14), "tls": "implicit"}),
        (["-H", "h", "--tls-min", "1.3"], {"tls_min": "1.3", "tls": "implicit"}),
        (["-H", "h", "--tls-pin", "AB:" * 31 + "ab", "--tls-pin", "0" * 64, "--starttls"],
         {"tls_pins": ("ab" * 32, "0" * 64), "tls": "explicit"}),
        (["-H", "h", "-D", ",3"], {"certificate_days": (0, 3)}),
        (["-H", "h", "-D", ""], {"certificate_days": (0, 0)}),
        (["-H", "h", "-D", "30", "14"], {"certificate_days": (30, 0)}),
        (["-H", "h", "-D", "30", "--starttls"], {"certificate_days": (30, 0), "tls": "explicit"}),
        (["-H", "h", "--sni", "n"], {"sni": "n", "tls": "implicit"}),
        (["-H", "h", "-S"], {"tls": "implicit", "sni": "", "verify": False}),
        (["-H", "h", "--verify"], {"tls": "implicit", "verify": True}),
        (["-H", "h", "-C", "1", "-W", "2", "--protocol", "x"], {"host": "h"}),
        (["-H", "h", "-M", "warn", "-r", "crit", "-t", "10"], {"mismatch_state": State.WARNING}),
        (["-H", "10.0.0.1", "-w", "1.000000", "-c", "2.000000", "-t", "10", "--ssl", "-D", "30", "14"],
         {"tls": "implicit", "certificate_days": (30, 0), "critical": Range(0, 2)}),
    ],
)  # fmt: skip
def test_words_become_settings(words: list[str], expected: dict[str, Any]) -> None:
    built = probe(*words)
    assert {name: getattr(built, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "No arguments found"),
        (["-X"], "invalid option -- 'X'"),
        (["--jail=yes"], "option '--jail' doesn't allow an argument"),
        (["--h"], "option '--h' is ambiguous; possibilities: '--help' '--hostname'"),
        (["--warn", "5"], "option '--warn' is ambiguous; possibilities: '--warning' '--warning-codes'"),
        (["-t", "0"], "Timeout interval must be a positive integer"),
        (["-t", "1.5"], "Timeout interval must be a positive integer"),
        (["-r", "OK"], "Refuse must be one of ok, warn, crit"),
        (["-M", "unknown"], "Mismatch must be one of ok, warn, crit"),
        (["-m", "0"], "Maxbytes must be a positive integer"),
        (["-d", "0"], "Delay must be a positive integer"),
        (["-D", "x"], "Invalid certificate expiration period - x"),
        (["-D", "+3"], "Invalid certificate expiration period - +3"),
        (["-D", "30,y"], "Invalid certificate expiration period - y"),
        (["-D", "-1"], "Invalid certificate expiration period - -1"),
        (["-S", "--starttls"], "--starttls and -S exclude each other: TLS is either explicit or implicit"),
        (["-S", "--ca-file", "/nonexistent"], "Cannot read CA file /nonexistent: No such file or directory"),
        (["-S", "--sni", "a..b"], "Server name (sni) must be a name or an address, not 'a..b'"),
        (["--sni", "a" * 64 + ".b"], f"Server name (sni) must be a name or an address, not '{'a' * 64}.b'"),
        (["--sni", "ü." * 40 + "b"], f"Server name (sni) must be a name or an address, not '{'ü.' * 38}..."),
        (["--ca-file", "/etc/passwd"], "A CA file is only used to verify the certificate (--verify)"),
    ],
)
def test_impossible_words_are_one_clear_line(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        probe(*words)
    assert str(caught.value) == message
    code, text = run("check_ftp", ["/anywhere/check_ftp", *words])
    assert code == 3
    assert text.splitlines()[0] == f"check_ftp: {message}"
    assert text.splitlines()[1] == "Usage:"


def test_a_path_that_is_too_long_is_told_as_by_the_c_plugin() -> None:
    words = ["-H", "/" + "a" * 107]
    with pytest.raises(UsageError):
        probe(*words)
    assert run("check_ftp", ["check_ftp", *words]) == (3, "Supplied path too long unix domain socket")


def test_a_probe_checks_its_values_also_without_a_command_line() -> None:
    with pytest.raises(UsageError, match="Port"):
        FtpProbe("h", port=0)
    with pytest.raises(UsageError, match="TLS must be"):
        FtpProbe("h", tls="maybe")
    with pytest.raises(UsageError, match="only be checked with TLS"):
        FtpProbe("h", certificate_days=(30, 0))
