"""The manual pages of the plugins, from their option tables."""

from __future__ import annotations

from noidchecks.plugin.getopt import Option
from noidchecks.plugin.plugin import PLUGINS, plugin_of

from .roff import Page, bold, italic

# A letter that is spoken with a vowel first.
_ARTICLES = {"FTP": "an", "SSH": "an", "SFTP": "an"}
EXAMPLES = {
    "check_ftp": "check_ftp -H ftp.example.net\ncheck_ftp -H ftp.example.net --starttls --verify -D 30,7\n"
    "check_ftp -H ftp.example.net --user monitor --password-file /etc/noidchecks/ftp.password --data both",
    "check_tftp": "check_tftp -H tftp.example.net\n"
    "check_tftp -H tftp.example.net -f pxelinux.0 --size 42430 -w 0.5 -c 2",
    "check_ssh": "check_ssh ssh.example.net\ncheck_ssh --min-version 9.6 --policy modern ssh.example.net",
    "check_sftp": "check_sftp --user monitor --identity /etc/noidchecks/id_ed25519 sftp.example.net\n"
    "check_sftp --user monitor --password-file /etc/noidchecks/sftp.password --get report.csv --max-age 1d "
    "sftp.example.net",
}
_STATES = (
    ("0", "OK."),
    ("1", "WARNING."),
    ("2", "CRITICAL."),
    ("3", "UNKNOWN: wrong usage, no check possible, or for check_ssh and check_sftp a name without an address."),
)


def page(name: str, *, date: str, version: str) -> Page:
    """Returns the page of one plugin."""
    plugin = plugin_of(name)
    protocol = name.removeprefix("check_").upper()
    made = Page(
        name,
        1,
        f"Nagios plugin that checks {_ARTICLES.get(protocol, 'a')} {protocol} server",
        date=date,
        version=version,
    )
    made.section("SYNOPSIS")
    made.source(f"{bold(name)} [{italic('OPTIONS')}] {bold('-H')} {italic('HOST')}")
    made.section("DESCRIPTION")
    made.text(plugin.blurb.rstrip(".") + ".")
    made.text(
        "It prints one status line with performance data, as Nagios and Icinga read it, and more lines behind it where"
        " they are asked for. One deadline covers everything, the name look-up included."
    )
    made.section("OPTIONS")
    made.items((_term(option), _meaning(option)) for option in plugin.options)
    made.section("EXIT STATUS")
    made.items((bold(code), meaning) for code, meaning in _STATES)
    made.section("EXAMPLES")
    made.lines(EXAMPLES.get(name, f"{name} -H host.example.net"))
    made.section("SEE ALSO")
    others = [f"`{other}`(1)" for other in (*PLUGINS, "noidchecks") if other != name]
    made.text(", ".join((*others, "`noidlb`(8)")))
    return made


def _term(option: Option) -> str:
    names = [f"-{option.letter}"] if option.letter else []
    names += [f"--{name}" for name in (option.name, *option.aliases)]
    term = ", ".join(map(bold, names))
    if not option.metavar:
        return term
    return f"{term}{'=' if len(names[-1]) > 2 else ' '}{italic(option.metavar)}"


def _meaning(option: Option) -> str:
    more = " Can be given several times." if option.repeatable else ""
    return f"{option.help.rstrip('.')}.{more}"
