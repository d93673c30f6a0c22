"""The targets of a survey: lines `host<TAB>service<TAB>command line`, and this machine's share of them."""

from __future__ import annotations

from codecs import BOM_UTF8
from hashlib import blake2b

from ..errors import UsageError
from ..plugin.plugin import Command, parse_line
from ..server import Server
from ..status.result import Result
from ..status.state import State
from ..status.text import printable
from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..dialogue.operations import Dialogue
    from ..timings import Timings

# Characters that are not allowed in names: `;` separates the fields of Nagios' commands, `!` those of object names.
_FORBIDDEN = frozenset(";!")
_NAME_LIMIT = 255
# The timeout in seconds of a check without one, which could occupy its place, and its round, without end. It is also
# Nagios' default (service_check_timeout).
_LONGEST_TIMEOUT = 60.0
# The output formats that monitoring servers understand.
_USABLE_FORMATS = ("", "multi-line")


class Target(Value):
    """One service of one host, as the monitoring server names them, and the command that checks it."""

    host: str
    service: str
    command: Command

    def __init__(self, host: str, service: str, command: Command) -> None:
        self._fill({"host": host, "service": service, "command": command})

    @property
    def key(self) -> tuple[str, str]:
        """Host and service, which identify the target."""
        return self.host, self.service


class MisconfiguredProbe(Value):
    """The probe of an invalid command line: its result is UNKNOWN with the reason, as that of the plugin."""

    message: str
    timeout = 0.0

    def __init__(self, message: str) -> None:
        self._fill({"message": message})

    def dialogue(self) -> Dialogue[None]:
        """Ends at once, without an operation."""
        return
        yield

    def judge(self, findings: None, timings: Timings) -> Result:
        """Returns the reason as a result."""
        return Result(State.UNKNOWN, f"UNKNOWN - {self.message}", timings=timings)


class TargetList:
    """Targets with unique names, and complaints about entries that were not added or not understood."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._targets: dict[tuple[str, str], Target] = {}
        self._places: dict[tuple[str, str], str] = {}

    @property
    def targets(self) -> list[Target]:
        """All targets, in the order in which they were added."""
        return list(self._targets.values())

    def complain(self, place: str, words: str) -> None:
        """Adds a complaint about the entry at the place."""
        self.complaints.append(f"{place}: {words}")

    def add(self, place: str, host: str, service: str, line: str) -> None:
        """Adds a target; complains and adds none when its names are invalid or already present.

        A target with an invalid command line is added as UNKNOWN, because its service would become stale otherwise.
        """
        for what, name in (("host", host), ("service", service)):
            fault = fault_of_name(name)
            if fault:
                return self.complain(place, f"the {what}'s name {fault}")
        key = (host, service)
        if key in self._targets:
            return self.complain(
                place, f"{printable(service)} on {printable(host)} was there before, at {self._places[key]}"
            )
        try:
            command = _command(line)
        except UsageError as error:
            command = Command(MisconfiguredProbe(str(error)))
            self.complain(place, f"{printable(service)} on {printable(host)} will be UNKNOWN: {error}")
        else:
            probe = command.probe
            if isinstance(probe, Server) and probe.timeout <= 0:
                command = command.replace(probe=probe.replace(timeout=_LONGEST_TIMEOUT))
                self.complain(
                    place,
                    f"{printable(service)} on {printable(host)} has no deadline, and is given {_LONGEST_TIMEOUT:g} s",
                )
        self._targets[key] = Target(host, service, command)
        self._places[key] = place

    def add_lines(self, name: str, lines: Iterable[bytes], first: int = 1) -> None:
        """Adds lines of a file, from a number on; empty ones and those that begin with # are skipped."""
        for number, raw in enumerate(lines, first):
            if number == 1:
                # Windows editors write a byte order mark.
                raw = raw.removeprefix(BOM_UTF8)
            line = raw.decode(errors="surrogateescape").rstrip("\r\n")
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            fields = line.split("\t", 2)
            if len(fields) < 3:
                self.complain(
                    f"{printable(name)}:{number}", "must be host, service and command line, separated by tabs"
                )
                continue
            self.add(f"{printable(name)}:{number}", fields[0].strip(), fields[1].strip(), fields[2].strip())


def fault_of_name(name: str) -> str:
    """Returns why monitoring servers refuse the name of a host or service, "" for a valid name."""
    if not name:
        return "is empty"
    if len(name) > _NAME_LIMIT:
        return f"has more than {_NAME_LIMIT} characters"
    if not name.isprintable():
        return "is not printable"
    for char in name:
        if char in _FORBIDDEN:
            return f"must not hold '{char}'"
    return ""


def _command(line: str) -> Command:
    command = parse_line(line)
    if command.output_format not in _USABLE_FORMATS:
        raise UsageError(f"--output-format {command.output_format} is not for a monitoring server")
    return command


class Shard(Value):
    """One machine's share of a list that several machines check, by rendezvous hashing.

    Every target belongs to the shard with the highest hash of shard and target, so that an additional machine takes an
    equal share from each of the others, and no other target moves.
    """

    number: int
    count: int

    def __init__(self, number: int, count: int) -> None:
        if not 1 <= number <= count:
            raise UsageError(f"Shard must be a number from 1 to {count}, not {number}")
        self._fill({"number": number, "count": count})

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Reads a shard such as `2/5`; raises UsageError."""
        number, slash, count = text.partition("/")
        if not slash or not all(part.isascii() and part.isdigit() and len(part) < 5 for part in (number, count)):
            raise UsageError(f"Shard must be like 2/5, not {printable(text)}")
        return cls(int(number), int(count))

    def has(self, key: tuple[str, str]) -> bool:
        """Tells whether the target with this key belongs to this shard."""
        name = "\0".join(key).encode(errors="surrogateescape")
        mine = _weight(self.number, name)
        return all(_weight(other, name) <= mine for other in range(1, self.count + 1) if other != self.number)


def _weight(number: int, name: bytes) -> tuple[bytes, int]:
    # The number decides between equal hashes, so that exactly one shard wins.
    return blake2b(b"%d\0%s" % (number, name), digest_size=8).digest(), number
