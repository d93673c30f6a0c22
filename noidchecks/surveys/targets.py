"""What a survey checks: lines `host<TAB>service<TAB>command line`, and which of them are this machine's share."""

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

# What no monitoring server takes for a name; the last two part names in commands and in object names.
_FORBIDDEN = frozenset(";!")
_NAME_LIMIT = 255
# Seconds for a check without a deadline, which would hold its place, and its round, for ever. Nagios ends its checks
# after so many too (service_check_timeout).
_LONGEST_TIMEOUT = 60.0
# Formats that only a program reads that started the plugin itself.
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
        """What tells it from all others."""
        return self.host, self.service


class MisconfiguredProbe(Value):
    """Stands for a command line that cannot be run: its result is UNKNOWN and says why, as the plugin would."""

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
    """Targets, each known under its names once, and the complaints about what was not taken or not understood."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._targets: dict[tuple[str, str], Target] = {}
        self._places: dict[tuple[str, str], str] = {}

    @property
    def targets(self) -> list[Target]:
        """All targets, in the order in which they came."""
        return list(self._targets.values())

    def complain(self, place: str, words: str) -> None:
        """Adds a complaint about what stands at the place."""
        self.complaints.append(f"{place}: {words}")

    def add(self, place: str, host: str, service: str, line: str) -> None:
        """Adds a target; complains, and adds none, when it has no proper names or the names are taken.

        With a command line that cannot be run it is added all the same, as UNKNOWN: its service would only go stale
        otherwise.
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
                # Editors of Windows write it.
                raw = raw.removeprefix(BOM_UTF8)
            line = raw.decode(errors="surrogateescape").rstrip("\r\n")
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            fields = line.split("\t", 2)
            if len(fields) < 3:
                self.complain(f"{printable(name)}:{number}", "must be host, service and command line, parted by tabs")
                continue
            self.add(f"{printable(name)}:{number}", fields[0].strip(), fields[1].strip(), fields[2].strip())


def fault_of_name(name: str) -> str:
    """Returns why no monitoring server takes the name of a host or service, or nothing."""
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

    Every target belongs to the shard with the highest hash of shard and target, so that one machine more takes its
    share from all others alike, and nothing else moves.
    """

    number: int
    count: int

    def __init__(self, number: int, count: int) -> None:
        if not 1 <= number <= count:
            raise UsageError(f"Shard must be a number from 1 to {count}, not {number}")
        self._fill({"number": number, "count": count})

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Reads `2/5`; UsageError."""
        number, slash, count = text.partition("/")
        if not slash or not all(part.isascii() and part.isdigit() and len(part) < 5 for part in (number, count)):
            raise UsageError(f"Shard must be like 2/5, not {printable(text)}")
        return cls(int(number), int(count))

    def has(self, key: tuple[str, str]) -> bool:
        """Tells whether what has these names belongs to this shard."""
        name = "\0".join(key).encode(errors="surrogateescape")
        mine = _weight(self.number, name)
        return all(_weight(other, name) <= mine for other in range(1, self.count + 1) if other != self.number)


def _weight(number: int, name: bytes) -> tuple[bytes, int]:
    # The number decides between equal hashes, so that exactly one shard wins.
    return blake2b(b"%d\0%s" % (number, name), digest_size=8).digest(), number
