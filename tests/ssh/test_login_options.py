"""The options of check_ssh and check_sftp that make them log in."""

from __future__ import annotations

from pathlib import Path

import pytest

from noidchecks import File, Identity, Listing, Login, Range, SshProbe, UsageError
from noidchecks.plugin.main import run as run_plugin
from noidchecks.plugin.plugin import parse
from tests.support.sftp import sftp_server


def probe_of(*words: str) -> SshProbe:
    probe = parse(words).probe
    assert isinstance(probe, SshProbe)
    return probe


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text("sesame\nsecond line\n")
    return str(path)


def test_a_login(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = Login("bob", "sesame")
    assert probe_of("check_ssh", "--user", "bob", "--password-file", secret, "h").login == bob
    monkeypatch.setenv("SESAME", "sesame")
    assert probe_of("check_ssh", "--user", "bob", "--password-env", "SESAME", "h").login == bob


def test_an_auth_file(tmp_path: Path) -> None:
    path = tmp_path / "auth"
    path.write_text("machine h login bob password sesame\n")
    assert probe_of("check_ssh", "--auth-file", str(path), "h").login == Login("bob", "sesame")


def test_keys(secret: str) -> None:
    probe = probe_of("check_ssh", "--user", "bob", "--identity", "a", "--identity=b", "--passphrase-file", secret, "h")
    assert probe.identities == (Identity("a", "sesame"), Identity("b", "sesame"))
    assert probe.login == Login("bob", "")
    assert probe_of("check_ssh", "--user", "bob", "--agent", "h").agent


def test_files(secret: str) -> None:
    words = (
        f"check_ssh --user bob --password-file {secret} --list in --min-files 1 --max-files 9 --get f --size 5 --put o"
    )
    probe = probe_of(*words.split(), "h")
    assert probe.listing == Listing("in", min_files=1, max_files=9)
    assert probe.get == File("f", size=Range(5, 5))
    assert (probe.put, probe.sftp, probe.opens_sftp) == ("o", False, True)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--user bob h", "User bob needs an identity, an agent or a password"),
        ("--user= h", "User name must not be empty"),
        ("--sftp h", "An SFTP session needs a user to log in as"),
        ("--identity k h", "An identity or an agent needs a user to log in as"),
        ("--user bob --agent --passphrase-file f h", "--passphrase-file needs --identity"),
        ("--user bob --agent --size 5 h", "--size needs --get"),
        ("--user bob --agent --min-files 5 h", "--min-files needs --list"),
        ("--user bob --password-file /none h", "Cannot read password file /none: No such file or directory"),
        ("--user bob --password-env NO_SUCH_VARIABLE h", "The environment has no variable NO_SUCH_VARIABLE"),
        ("--user bob --identity k --passphrase-file /none h", "Cannot read passphrase file /none: "),
        ("--password-file f --auth-file g h", "--password-file and --auth-file exclude each other"),
    ],
)
def test_what_makes_no_sense(words: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        probe_of("check_ssh", *words.split())


@pytest.mark.parametrize(
    "line",
    [
        "h 2222 --user bob --agent",
        "--user bob h --agent 2222",
        "h --user bob -p 2222 --agent",
        "--user bob --agent -- h 2222",
        "--user bob --agent -p2222 -H h",
    ],
)
def test_options_of_check_sftp_may_stand_anywhere(line: str) -> None:
    probe = probe_of("check_sftp", *line.split())
    assert probe == probe_of("check_sftp", "--user", "bob", "--agent", "-p", "2222", "-H", "h")
    assert probe_of("check_sftp", "", *line.split(), "") == probe


@pytest.mark.parametrize("line", ["h 2222 x --user bob", "-H h -p 2222 --user bob x", "h 2222 --user bob -- -w"])
def test_check_sftp_refuses_words_that_mean_nothing(line: str) -> None:
    with pytest.raises(UsageError, match=r"Unexpected word: (x|-w)"):
        parse(["check_sftp", *line.split()])


def test_check_sftp_is_check_ssh_with_sftp() -> None:
    words = ("--user", "bob", "--agent", "--get", "f", "-p", "2222", "-t", "3", "h")
    assert probe_of("check_sftp", *words) == probe_of("check_ssh", "--sftp", *words)
    assert probe_of("check_sftp", "--user", "bob", "--agent", "h").sftp


def test_the_names_of_checkmk() -> None:
    words = (
        "--host h --user bob --secret sesame --port 2222 --get-remote f --get-local /tmp --put-remote d --put-local x"
    )
    probe = probe_of("check_sftp", *words.split(), "--get-timestamp", "t", "--timeout", "10.0")
    assert probe == SshProbe(
        "h",
        port=2222,
        timeout=10,
        login=Login("bob", "sesame"),
        sftp=True,
        get=File("f"),
        put="d",
        timestamp="t",
    )
    assert probe_of("check_sftp", "--host", "h", "--user", "bob", "--secret", "s", "--put-local", "x").put == ""
    assert parse(["check_sftp", "--host", "h", "--user", "bob", "--secret", "s", "--debug"]).verbose


@pytest.mark.parametrize(
    "text", ["1.\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT THREE}.0", f"{'9' * 400}.0", ".", "1.0.0"]
)
def test_an_odd_timeout_is_a_usage_error(text: str) -> None:
    """In a list of services, another exception would end all of them."""
    with pytest.raises(UsageError, match="Timeout interval must be a positive integer - "):
        parse(["check_sftp", "--user", "bob", "--agent", "--timeout", text, "h"])


@pytest.mark.parametrize(("text", "seconds"), [("1.5", 2), (".2", 1), ("7.", 7), ("10.000000000000000", 10)])
def test_a_timeout_with_a_point_is_rounded(text: str, seconds: int) -> None:
    assert probe_of("check_sftp", "--user", "bob", "--agent", "--timeout", text, "h").timeout == seconds


def test_a_secret_of_checkmk_by_reference(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_text("other:wrong\nlab:ses:ame\n")
    words = ("check_sftp", "--host", "h", "--user", "bob", "--secret-reference")
    assert probe_of(*words, f"lab:{store}").login == Login("bob", "ses:ame")
    for value, text in (
        ("lab", "Secret reference must be ID:FILE"),
        (f"none:{store}", f"Secret file {store} has no line none:"),
        ("lab:/none", "Cannot read secret file /none: No such file or directory"),
    ):
        with pytest.raises(UsageError, match=text):
            probe_of(*words, value)


@pytest.mark.parametrize(("option", "title"), [("secret", "Secret"), ("get-timestamp", "Get timestamp")])
def test_what_check_sftp_is_to_look_for_is_not_empty(option: str, title: str) -> None:
    with pytest.raises(UsageError, match=f"{title} must not be empty"):
        probe_of("check_sftp", "--host", "h", "--user", "bob", "--agent", f"--{option}", "")


@pytest.mark.parametrize("secret", ["--secret sesame", "--secret-reference lab:store"])
def test_a_secret_is_not_taken_in_place_of_another_password(tmp_path: Path, secret: str) -> None:
    (tmp_path / "store").write_text("lab:sesame\n")
    words = secret.replace("store", f"{tmp_path}/store").split()
    with pytest.raises(UsageError, match="--password-file and --secret or --secret-reference exclude each other"):
        probe_of("check_sftp", "--host", "h", "--user", "bob", *words, "--password-file", "f")


def test_the_usual_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_rsa").touch()
    probe = probe_of("check_sftp", "--host", "h", "--user", "bob", "--look-for-keys")
    assert probe.identities == (Identity(str(tmp_path / ".ssh" / "id_rsa")),)


def test_no_secret_is_printed(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    for words in (["--get", "f"], ["--get", "none"], ["-v", "--get", "f"], ["--output-format", "json"]):
        with sftp_server(tmp_path) as port:
            options = ["--host", "127.0.0.1", "-p", str(port), "--user", "bob", "--secret", "sesame", *words]
            _, text = run_plugin("check_sftp", ["check_sftp", *options])
        assert "lab_1" in text or "No such file" in text
        assert "sesame" not in text
