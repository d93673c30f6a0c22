"""Records to hand in, harmless and hostile ones."""

from __future__ import annotations

from noidchecks import Command, FtpProbe, Metric, Result, State, printable
from noidchecks.surveys.report.record import Record
from noidchecks.surveys.targets import Target
from noidchecks.timings import Timings

TIME = 1_700_000_000.25

# What a server may send in order to be more than a greeting.
BANNERS = [
    b"220 ready",
    b"220 a;b;[1] PROCESS_SERVICE_CHECK_RESULT;h;s;0;x",
    b"220 x|injected=1",
    b"220 one\n[1700000000] PROCESS_SERVICE_CHECK_RESULT;h;s;0;owned\nreturn_code=0\n\nhost_name=other",
    b"220 <script>alert(1)</script>",
    b"220 C:\\new\\\\share\\",
    b"220 tail\\",
    b"220 \\n\\\\n\\\\\\n",
    b"220 " + b"\xff\xfe\x80" * 50,
    b"220 " + b"A" * 8192,
    b"220 " + b"\\" * 8192,
    b"220 " + "é€😀".encode() * 1000,
    b"220 \x00\x01\x1b[31m\r\n\t",
]


def target(host: str = "web1", service: str = "ftp", output_format: str = "") -> Target:
    """Returns a target; what checks it is of no matter."""
    return Target(host, service, Command(FtpProbe(), output_format=output_format))


def record(
    banner: bytes = b"220 ready",
    *,
    state: State = State.OK,
    host: str = "web1",
    service: str = "ftp",
    more: str = "",
    metrics: tuple[Metric, ...] = (Metric("time", 0.25, "s", minimum=0.0), Metric("a b", 7)),
) -> Record:
    """Returns the record of a result that shows a banner as the probes do; more is a second line."""
    timings = Timings()
    timings.total = 0.25
    text = f"FTP {state} - [{printable(banner)}]{more}"
    return Record(target(host, service), Result(state, text, metrics=metrics, timings=timings), TIME)


def some(count: int, length: int = 100) -> list[Record]:
    """Returns records of services that are numbered."""
    return [record(b"x" * length, service=str(number), metrics=()) for number in range(count)]
