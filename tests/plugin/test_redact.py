"""Passwords in a command line are not shown, whatever is wrong with the line; what has none stays as it is."""

from __future__ import annotations

import pytest

from noidchecks.plugin.plugin import PLUGINS, plugin_of
from noidchecks.plugin.redact import redacted


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("check_sftp -H HOST --secret geheim123 -p PORT", "check_sftp -H HOST --secret '****' -p PORT"),
        ("check_sftp --secret=geheim123 HOST", "check_sftp '--secret=****' HOST"),
        ("check_sftp --secret 'geheim 123' --get /geheim", "check_sftp --secret '****' --get /geheim"),
        ("check_sftp --secret geheim123 --get /geheim123/x", "check_sftp --secret '****' --get '/****/x'"),
        ('check_sftp --"secret" ge\\heim', "check_sftp --secret '****'"),
        ("check_sftp --secret one --secret other1", "check_sftp --secret '****' --secret '****'"),
        ("/opt/x/check_sftp HOST --secret geheim123", "/opt/x/check_sftp HOST --secret '****'"),
        ("timeout 5 check_sftp --secret geheim123 HOST", "timeout 5 check_sftp --secret '****' HOST"),
        # Refused, and shown with the reason.
        ("check_sftp --secre geheim123 HOST", "check_sftp --secre '****' HOST"),
        ("check_sftp -H HOST --secret 'geheim123", "check_sftp -H HOST --sec****"),
        ("check_sftp -H HOST --secret", "check_sftp -H HOST --secret"),
        ("check_sftp -H HOST --secret ''", "check_sftp -H HOST --secret ''"),
        # No password.
        ('check_x -s "a  b" HOST', 'check_x -s "a  b" HOST'),
        ("check_sftp --secret-reference mon:/etc/file HOST", "check_sftp --secret-reference mon:/etc/file HOST"),
        ("check_ftp --se x HOST", "check_ftp --se x HOST"),
        ("check_ftp -H 'HOST", "check_ftp -H 'HOST"),
        ("", ""),
    ],
)
def test_a_command_line_is_shown_without_passwords(line: str, shown: str) -> None:
    assert redacted(line) == shown


def test_a_short_password_takes_every_word_with_it_that_contains_it() -> None:
    assert redacted("check_sftp --secret pa --get page.html HOST") == "check_sftp --secret '****' --get '****' HOST"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_option_of_ours_that_takes_a_password_is_known(plugin: str) -> None:
    for row in plugin_of(plugin).options:
        if row.metavar == "PASSWORD":
            assert not row.letter
            for name in (row.name, *row.aliases):
                assert "geheim123" not in redacted(f"{plugin} --{name} geheim123 HOST")
