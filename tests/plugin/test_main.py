"""Tests of noidchecks.plugin.main, in this process."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import noidchecks.probe
from noidchecks import Result, State
from noidchecks.plugin.help import help_text, usage_text, version_text
from noidchecks.plugin.main import run
from noidchecks.plugin.plugin import PLUGINS, plugin_of
from tests.conftest import NewPeer

FTP = plugin_of("check_ftp")
# Usage errors that the C plugins print without their name.
BARE = (
    "Supplied path too long unix",
    "Can't read config",
    "Cannot find config",
    "Config file error",
    "Invalid section",
)


def test_a_check_is_run_and_printed(new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"220 ready\r\n")
    code, text = run("check_ftp", ["/usr/bin/check_ftp", "-H", host, "-p", str(peer.port)])
    assert code == 0
    assert re.fullmatch(
        rf"FTP OK - \d\.\d\d\d second response time on {re.escape(host)} port {peer.port} \[220 ready\]"
        r"\|time=\d\.\d{6}s;;;0\.000000;10\.000000",
        text,
    )


def test_verbose_prints_the_dialogue_below_the_status_line(new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"220 a|b\r\n")
    code, text = run("check_ftp", ["check_ftp", "-v", "-H", host, "-p", str(peer.port)])
    status, *transcript = text.splitlines()
    assert code == 0
    assert status.startswith("FTP OK")
    assert status.count("|") == 1
    assert [line.split(" ", 1)[1] for line in transcript if " <: " in line] == ["<: 9 bytes '220 a b\\r\\n'"]
    assert all("|" not in line and line.isprintable() for line in transcript)


def test_a_format_prints_it_otherwise(new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"530 no\r\n")
    words = ["check_ftp", "-H", host, "-p", str(peer.port), "--output-format"]
    code, text = run("check_ftp", [*words, "json"])
    assert (code, json.loads(text)["state"]) == (1, "WARNING")
    code, text = run("check_ftp", [*words, "multi-line"])
    assert (code, text.splitlines()[0]) == (1, "[WARNING] - Answer failed to match expectation: 530 no")


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["check_ftp"], "check_ftp: No arguments found"),
        (["/opt/plugins/noid_check_ftp"], "noid_check_ftp: No arguments found"),
        (["check_ftp\n| x=1"], "check_ftp   x=1: No arguments found"),
        ([""], "check_ftp: No arguments found"),
        ([], "check_ftp: No arguments found"),
        (["check_ftp", "-X"], "check_ftp: invalid option -- 'X'"),
        (["check_ftp", "--nosuch"], "check_ftp: unrecognized option '--nosuch'"),
        (["check_ftp", "-H"], "check_ftp: option requires an argument -- 'H'"),
        (["check_ftp", "-p", "x"], "check_ftp: Port must be a positive integer"),
    ],
)
def test_a_usage_error_is_unknown_with_the_usage_on_standard_output(argv: list[str], complaint: str) -> None:
    assert run("check_ftp", argv) == (3, f"{complaint}\n{usage_text(FTP)}")


def test_help_and_version_are_unknown() -> None:
    assert run("check_ftp", ["check_ftp", "-h"]) == (3, help_text(FTP))
    assert run("check_ftp", ["check_ftp", "-V"]) == (3, version_text(FTP))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(probe: object, *, transcript: bool = False) -> Result:
        return Result(State.OK, "CHECKED")

    monkeypatch.setattr(noidchecks.probe, "check", check)


def _words(name: str) -> st.SearchStrategy[str]:
    plugin = plugin_of(name)
    names = [known for option in plugin.options for known in (option.name, *option.aliases)]
    letters = "".join(option.letter for option in plugin.options)
    return st.one_of(
        st.sampled_from([f"--{known}" for known in names]),
        st.sampled_from([f"-{letter}" for letter in letters]),
        st.builds("--{}={}".format, st.sampled_from(names), st.text(max_size=5)),
        st.builds("-{}{}".format, st.sampled_from(letters), st.text(max_size=5)),
        st.sampled_from(
            ["", "-", "--", "localhost", "::1", "/x", "/" * 108, "1", "0", "-1", "99999", "ok", "1:2", "json"]
        ),
        st.sampled_from(
            ["-wt", "-ct", "-to", "5 -c 10", "2147483648", "1e999", "nan", "5,x", "\udcff", "\0", "|", "x\ny"]
        ),
        st.text(max_size=8),
    )


@pytest.mark.parametrize("name", PLUGINS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_argument_list_is_a_check_or_a_usage_error(name: str, data: st.DataObject, no_network: None) -> None:
    code, text = run(name, [name, *data.draw(st.lists(_words(name), max_size=8))])
    first, *rest = text.splitlines()
    assert first.isprintable()
    assert "|" not in text, "a monitoring server would take what follows for performance data"
    if code == 3:
        complained = first.startswith(f"{name}: ") and "\n".join(rest) == usage_text(plugin_of(name))
        assert (
            complained or text.startswith(BARE) or text in (help_text(plugin_of(name)), version_text(plugin_of(name)))
        )
    else:
        assert "CHECKED" in text


def test_extra_options_come_from_the_section_of_the_name_that_was_called(tmp_path: Path) -> None:
    file = tmp_path / "plugins.ini"
    file.write_text("[noid_check_ftp]\nport = 0\n[check_ftp]\nport = 1\n")
    code, text = run("check_ftp", ["/somewhere/noid_check_ftp", f"--extra-opts=@{file}"])
    assert (code, text.splitlines()[0]) == (3, "noid_check_ftp: Port must be a positive integer")
