"""Writes the files of each plugin for a monitoring server: executable, commands for Nagios and Icinga 2.

Run it as `make docs`; a test fails when a file and a plugin differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from noidchecks.plugin.getopt import Option
from noidchecks.plugin.plugin import PLUGINS, Plugin, plugin_of

FOLDER = Path(__file__).parent
TARGET = FOLDER / "icinga2" / "noidchecks-plugins.conf"
COMMANDS = FOLDER / "commands.cfg"
BEGIN = "# Any options, one command for each plugin; written by `make docs`.\n"
END = "# Commands for one question each.\n"

# Options without a variable: they end a plugin before it checks, or have no effect.
LEFT_OUT = frozenset({"help", "version", "critical-codes", "warning-codes", "protocol"})
# The options whose variables have other names in the Icinga Template Library.
ITL_NAMES = {
    "hostname": "address",
    "use-ipv4": "ipv4",
    "use-ipv6": "ipv6",
    "warning": "wtime",
    "critical": "ctime",
}
# The Icinga Template Library and Debian's monitoring-plugins already have commands of these names; those of noidchecks
# get a prefix in Icinga 2, and the suffix `_options` in Nagios.
FOREIGN_COMMANDS = frozenset({"ftp", "ssh"})
# The defaults of the Icinga Template Library, so that the command line of a service does not change with the command.
DEFAULTS = {"ftp": {"refuse": '"crit"', "mismatch": '"warn"', "ssl": "false", "timeout": "10"}}

# Installed as it is, because pip's wrapper imports re; the installer replaces `#!python`.
EXECUTABLE = """\
#!python
import gc

# To look for garbage costs a check two milliseconds, and it ends before garbage matters.
gc.disable()

try:
    from noidchecks.plugin.main import main
except Exception as error:
    # As after an upgrade of Python, whose new release has no packages yet. A traceback would exit with 1, WARNING.
    print(f"{service} UNKNOWN - noidchecks cannot be imported: {{error}}")
    raise SystemExit(3) from None

main("{name}")
"""

NAGIOS_COMMAND = """
define command {{
    command_name  {command}
    command_line  $USER5$/{name} -H '$HOSTADDRESS$' $ARG1$
}}
"""

HEAD = """\
/* The plugins of noidchecks as check commands for Icinga 2.
 *
 * Written by `make docs` from the option tables of the plugins: do not edit, import and override.
 *
 * The variables of `ftp` and `ssh` are those of the Icinga Template Library, and every other option has its own: its
 * long name with underscores behind the name of the command, as ftp_password_file. Options that take several values
 * take an array.
 *
 * NoidchecksDir is the folder of the plugins, PluginDir unless it is defined before. NoidchecksPrefix stands before
 * `ftp` and `ssh`, because the library has commands of these names; define it as "" where the library is not included.
 */

if (!globals.contains("NoidchecksDir")) {
	globals.NoidchecksDir = PluginDir
}
if (!globals.contains("NoidchecksPrefix")) {
	globals.NoidchecksPrefix = "noid_"
}

/* $check_address$ is the host's address, or its address6 where there is no address or IPv6 is asked for. */
template CheckCommand "noidchecks-address" {
	vars.check_ipv4 = false
	vars.check_ipv6 = false
	vars.check_address = {{
		var ipv4 = macro("$address$")
		if (macro("$check_ipv4$") || (ipv4 && !macro("$check_ipv6$"))) {
			return ipv4
		}
		return macro("$address6$")
	}}
}
"""


def definitions() -> str:
    """Returns the contents of the Icinga 2 file."""
    return "\n".join((HEAD, *(_command(plugin_of(name)) for name in PLUGINS)))


def with_commands(page: str) -> str:
    """Returns commands.cfg with the commands of all plugins between the markers; ValueError without markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{COMMANDS.name} needs the lines {BEGIN!r} and {END!r}")
    return "".join((before, begin, *map(_nagios_command, PLUGINS), "\n", end, after))


def _nagios_command(name: str) -> str:
    is_foreign = name.removeprefix("check_") in FOREIGN_COMMANDS
    return NAGIOS_COMMAND.format(name=name, command=f"{name}_options" if is_foreign else name)


def is_left_out(protocol: str, option: Option) -> bool:
    """Tells whether an option has no variable; two options of check_tftp are aliases of others."""
    return option.name in LEFT_OUT or (protocol == "tftp" and option.name in ("connect", "get"))


def variable(protocol: str, option: Option) -> str:
    """Returns the name of the variable that sets an option."""
    return f"{protocol}_{ITL_NAMES.get(option.name, option.name).replace('-', '_')}"


def _command(plugin: Plugin) -> str:
    protocol = plugin.name.removeprefix("check_")
    name = f'NoidchecksPrefix + "{protocol}"' if protocol in FOREIGN_COMMANDS else f'"{protocol}"'
    lines = [f"object CheckCommand {name} {{", '\timport "noidchecks-address"', ""]
    lines += [f'\tcommand = [ NoidchecksDir + "/{plugin.name}" ]', "", "\targuments = {"]
    for option in plugin.options:
        if not is_left_out(protocol, option):
            lines += _argument(protocol, option)
    lines += ["\t}", "", f'\tvars.{protocol}_address = "$check_address$"']
    lines += [f'\tvars.check_{family} = "${protocol}_{family}$"' for family in ("ipv4", "ipv6")]
    lines += [f"\tvars.{protocol}_{setting} = {value}" for setting, value in DEFAULTS.get(protocol, {}).items()]
    return "\n".join([*lines, "}", ""])


def _argument(protocol: str, option: Option) -> Iterator[str]:
    name = variable(protocol, option)
    match protocol, option.name:
        case "ftp", "escape":
            # -E applies to the strings after it, so each string has its own -E before it.
            yield from _entry("-E_send", [f'set_if = "${name}_send$"', 'key = "-E"', "order = 1"], option)
            yield from _entry("-E_quit", [f'set_if = "${name}_quit$"', 'key = "-E"', "order = 3"], option)
        case "ftp", "send" | "quit":
            order = 2 if option.name == "send" else 4
            yield from _entry(f"-{option.letter}", [f'value = "${name}$"', f"order = {order}"], option)
        case "ssh", "hostname":
            yield from _entry("host", [f'value = "${name}$"', "skip_key = true", "order = 1"], option)
        case _:
            key = f"-{option.letter}" if option.letter else f"--{option.name}"
            settings = [f'value = "${name}$"' if option.metavar else f'set_if = "${name}$"']
            if option.repeatable:
                settings.append("repeat_key = true")
            yield from _entry(key, settings, option)


def _entry(key: str, settings: list[str], option: Option) -> Iterator[str]:
    yield f'\t\t"{key}" = {{'
    for setting in settings:
        yield f"\t\t\t{setting}"
    yield f"\t\t\tdescription = {_quoted(option.help)}"
    yield "\t\t}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def main() -> None:
    """Writes the files."""
    _write(TARGET, definitions())
    _write(COMMANDS, with_commands(COMMANDS.read_text(encoding="utf-8")))
    for name in PLUGINS:
        path = FOLDER / "plugins" / name
        _write(path, EXECUTABLE.format(name=name, service=name.removeprefix("check_").upper()))
        path.chmod(0o755)


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(FOLDER)}: written")


if __name__ == "__main__":
    main()
