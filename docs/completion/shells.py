"""The completion of a plugin's options for bash, zsh and fish; that of the administrative commands is click's."""

from __future__ import annotations

import re

from noidchecks.plugin.getopt import Option
from noidchecks.plugin.plugin import Plugin

from .values import commands_of, is_file, is_host, names_of, words_of

HEAD = "# Written by `make docs`: do not edit."
# A function of the package bash-completion.
_BASH_HOSTS = 'declare -F _known_hosts_real >/dev/null && _known_hosts_real -- "$current"'


def bash(plugin: Plugin) -> str:
    """Returns the file for bash."""
    function = f"_noidchecks_{plugin.name}"
    arms, silent = list[str](), list[str]()
    for option in plugin.options:
        offer = _bash_value(option)
        if offer:
            arms += [f"        {'|'.join(names_of(option))})", *(f"            {line}" for line in offer)]
            arms.append("            return ;;")
        elif option.metavar:
            silent += names_of(option)
    every = " ".join(name for option in plugin.options for name in names_of(option) if name.startswith("--"))
    lines = [
        HEAD,
        f"{function}() {{",
        "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}",
        "    # bash takes --name=value for three words.",
        '    [[ $previous == "=" && COMP_CWORD -ge 2 ]] && previous=${COMP_WORDS[COMP_CWORD-2]}',
        '    [[ $current == "=" ]] && current=""',
        "    COMPREPLY=()",
        "    case $previous in",
        *arms,
        *([f"        {'|'.join(silent)})", "            return ;;"] if silent else ()),
        "    esac",
        "    case $current in",
        f'        -*) mapfile -t COMPREPLY < <(compgen -W "{every}" -- "$current") ;;',
        f"        *) {_BASH_HOSTS} ;;",
        "    esac",
        "}",
        f"complete -F {function} {' '.join(commands_of(plugin))}",
    ]
    return "\n".join((*lines, ""))


def _bash_value(option: Option) -> list[str]:
    if words_of(option):
        return [f'mapfile -t COMPREPLY < <(compgen -W "{" ".join(words_of(option))}" -- "$current")']
    if is_file(option):
        return ['mapfile -t COMPREPLY < <(compgen -f -- "$current")', "compopt -o filenames"]
    return [_BASH_HOSTS] if is_host(option) else []


def zsh(plugin: Plugin) -> str:
    """Returns the file for zsh."""
    rows = [f"    {_zsh_row(option)} \\" for option in plugin.options]
    lines = [f"#compdef {' '.join(commands_of(plugin))}", HEAD, "_arguments -s \\", *rows, "    '*:host:_hosts'", ""]
    return "\n".join(lines)


def _zsh_row(option: Option) -> str:
    names = names_of(option)
    others = "*" if option.repeatable else f"({' '.join(names)})"
    spelled = [f"{name}{('=' if name.startswith('--') else '+') if option.metavar else ''}" for name in names]
    sign = spelled[0] if len(spelled) == 1 else f"{{{','.join(spelled)}}}"
    value = f":{_zsh_text(option.metavar.lower())}:{_zsh_action(option)}" if option.metavar else ""
    meaning = _quoted(f"[{_zsh_text(option.help)}]{value}")
    return f"{_quoted(others)}{sign}{meaning}"


def _zsh_action(option: Option) -> str:
    if words_of(option):
        return f"({' '.join(words_of(option))})"
    return "_files" if is_file(option) else "_hosts" if is_host(option) else " "


def _zsh_text(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def fish(plugin: Plugin) -> str:
    """Returns the file for fish."""
    command, beside = commands_of(plugin)
    lines = [HEAD, f"complete -c {command} -f -a '(__fish_print_hostnames)'"]
    lines += [f"complete -c {command} {_fish_row(option)}" for option in plugin.options]
    return "\n".join((*lines, f"complete -c {beside} -w {command}", ""))


def _fish_row(option: Option) -> str:
    words = [f"-s {option.letter}"] * bool(option.letter)
    words += [f"-l {name}" for name in (option.name, *option.aliases)]
    if option.metavar:
        words.append("-r -F" if is_file(option) else "-x")
        if words_of(option):
            words.append(f"-a '{' '.join(words_of(option))}'")
        elif is_host(option):
            words.append("-a '(__fish_print_hostnames)'")
    escaped = option.help.replace("\\", "\\\\").replace("'", "\\'")
    return " ".join((*words, f"-d '{escaped}'"))


def click_files(command: str) -> dict[str, str]:
    """Returns the files for a command of click by their paths: each asks the command, whose release of click knows.

    What click prints does not suit the completion function of another release.
    """
    ask = f"env _{command.upper()}_COMPLETE"
    return {
        f"bash-completion/completions/{command}": f'{HEAD}\neval "$({ask}=bash_source {command} 2>/dev/null)"\n',
        f"zsh/site-functions/_{command}": (
            f'#compdef {command}\n{HEAD}\neval "$({ask}=zsh_source {command} 2>/dev/null)"\n'
            f"(( ${{+functions[_{command}_completion]}} )) && _{command}_completion\n"
        ),
        f"fish/vendor_completions.d/{command}.fish": f"{HEAD}\n{ask}=fish_source {command} 2>/dev/null | source\n",
    }
