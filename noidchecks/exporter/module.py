"""A module: the command line of a plugin without a host, from which the probes of all targets are created."""

from __future__ import annotations

from ..errors import UsageError
from ..files.login import first_machine
from ..plugin.plugin import InformationWanted, parse, plugin_of, scan, written_out
from ..plugin.redact import shown
from ..server import Server
from ..status.gate import Gate
from ..status.text import printable
from ..value import Value
from .errors import ConfigurationError, RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .target import Target

# The host of a module's template, a reserved name (RFC 2606).
_NO_HOST = "target.invalid"
# Findings for which the plugins return WARNING, as the C plugins do, although the server does not work. For modules
# they are CRITICAL, unless the command line has the option.
_STRICT = {
    "check_ftp": (("mismatch", "crit"),),
    "check_ssh": (("overload-state", "critical"),),
    "check_sftp": (("overload-state", "critical"),),
}


class Module(Value):
    """A parsed command line of a plugin.

    shown is the command line with masked passwords. timeout is in seconds, None when the command line has none; phases
    are those of a check of a healthy server. names_sni says whether the command line has --sni. template is the probe
    from which those of targets are copied, None with an auth file, whose logins depend on the host. fault is the reason
    why the module cannot be used, "" when it can.
    """

    name: str
    shown: str
    plugin: str
    words: tuple[str, ...]
    timeout: float | None
    phases: tuple[str, ...]
    fault: str
    names_sni: bool
    template: Server | None

    def __init__(
        self,
        name: str,
        shown: str,
        *,
        plugin: str = "",
        words: tuple[str, ...] = (),
        timeout: float | None = None,
        phases: tuple[str, ...] = (),
        fault: str = "",
        names_sni: bool = False,
        template: Server | None = None,
    ) -> None:
        self._fill(locals())

    def probe(self, target: Target, timeout: float) -> Server:
        """Returns the probe of a target with a deadline in seconds; RequestError when the module cannot be used."""
        if self.fault:
            raise RequestError(f"module {self.name} cannot be used: {self.fault}")
        try:
            found = _parse(self.plugin, target.host, self.words) if self.template is None else self.template
            named = {"sni": target.hostname} if self._takes_name(target) else {}
            return found.replace(host=target.host, port=target.port or found.port, timeout=timeout, **named)
        except UsageError as error:
            raise RequestError(f"module {self.name}: {error}") from None

    def _takes_name(self, target: Target) -> bool:
        """Tells whether the target's hostname is used for SNI: the module uses TLS and has no --sni."""
        return bool(target.hostname) and "tls" in self.phases and not self.names_sni


def read_module(name: str, line: str) -> Module:
    """Reads a plugin's command line without a host; ConfigurationError with one sentence that names the module."""
    from shlex import split

    try:
        words = split(line)
        plugin = plugin_of(words[0] if words else "")
        arguments = tuple(written_out(words))
        given = scan(plugin, arguments)
        # All options, even those after words at which the plugin itself would stop parsing.
        values = dict(given.anywhere())
        names = set(values)
        _require_no_host(names, given.rest)
        strict = [
            word for row, value in _STRICT.get(plugin.name, ()) if row not in names for word in (f"--{row}", value)
        ]
        arguments = (*strict, *arguments)
        probe = _sample(plugin.name, arguments, values.get("auth-file"))
    except InformationWanted:
        raise ConfigurationError(f"module {name}: the command line asks for help, not for a check") from None
    except UsageError as error:
        raise ConfigurationError(f"module {name}: {error}") from None
    except ValueError as error:
        raise ConfigurationError(f"module {name}: command line cannot be split: {str(error).lower()}") from None
    timeout = probe.timeout if "timeout" in names and probe.timeout > 0 else None
    return Module(
        name,
        shown(words, getattr(probe, "gate", Gate())),
        plugin=plugin.name,
        words=arguments,
        timeout=timeout,
        phases=probe.phases,
        names_sni="sni" in names,
        template=None if "auth-file" in names else probe,
    )


def _require_no_host(names: set[str], rest: list[str]) -> None:
    if "hostname" in names:
        raise UsageError("the command line names a host, which is for the target to do")
    if "output-format" in names:
        raise UsageError("--output-format is for what a plugin prints, and a module prints nothing")
    if rest:
        raise UsageError(f"unexpected word {printable(repr(rest[0]), 80)}; the host is for the target to name")


def _parse(plugin: str, host: str, arguments: tuple[str, ...]) -> Server:
    # The host comes first, so that no later word can be taken for it.
    probe: Any = parse([plugin, "-H", host, *arguments]).probe
    if probe.host != host:
        raise UsageError("the command line names a host, which is for the target to do")
    if getattr(probe, "tls", ""):
        # The metrics need the facts of the certificate even without an option that judges it.
        probe = probe.replace(certificate_facts=True)
    server: Server = probe
    return server


def _sample(plugin: str, arguments: tuple[str, ...], auth_file: str | None) -> Server:
    """Returns the probe of a placeholder host or, with an auth file, of a host in it; raises UsageError."""
    try:
        return _parse(plugin, _NO_HOST, arguments)
    except UsageError as error:
        host = first_machine(auth_file) if auth_file and str(error).endswith(_NO_HOST) else ""
        if not host:
            raise
        return _parse(plugin, host, arguments)
