"""Health checks for FTP, TFTP and SSH servers, as plugins and as a library.

The public names are loaded on first use (PEP 562), so that importing the package costs nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .batch import survey as survey, survey_async as survey_async
    from .contract import Probe as Probe
    from .errors import (
        DeadlineExceeded as DeadlineExceeded,
        LocalError as LocalError,
        NotConnected as NotConnected,
        NotResolved as NotResolved,
        PeerError as PeerError,
        ProbeError as ProbeError,
        TlsError as TlsError,
        UsageError as UsageError,
    )
    from .files.settings import File as File, Listing as Listing, Login as Login
    from .ftp.active import Active as Active
    from .ftp.probe import FtpProbe as FtpProbe
    from .plugin.plugin import Command as Command, parse_line as parse_line
    from .probe import check as check, check_async as check_async
    from .ssh.identity import Identity as Identity
    from .ssh.probe import SshProbe as SshProbe
    from .status.perfdata import Metric as Metric
    from .status.result import Part as Part, Result as Result
    from .status.state import State as State, worst as worst
    from .status.text import printable as printable
    from .status.threshold import Range as Range
    from .tftp.file import TftpFile as TftpFile
    from .tftp.probe import TftpProbe as TftpProbe
    from .timings import Timings as Timings

# name -> the module that defines it
_PUBLIC = {
    "Active": "ftp.active",
    "Command": "plugin.plugin",
    "DeadlineExceeded": "errors",
    "File": "files.settings",
    "FtpProbe": "ftp.probe",
    "Identity": "ssh.identity",
    "Listing": "files.settings",
    "LocalError": "errors",
    "Login": "files.settings",
    "Metric": "status.perfdata",
    "NotConnected": "errors",
    "NotResolved": "errors",
    "Part": "status.result",
    "PeerError": "errors",
    "Probe": "contract",
    "ProbeError": "errors",
    "Range": "status.threshold",
    "Result": "status.result",
    "SshProbe": "ssh.probe",
    "State": "status.state",
    "TftpFile": "tftp.file",
    "TftpProbe": "tftp.probe",
    "Timings": "timings",
    "TlsError": "errors",
    "UsageError": "errors",
    "check": "probe",
    "check_async": "probe",
    "parse_line": "plugin.plugin",
    "printable": "status.text",
    "survey": "batch",
    "survey_async": "batch",
    "worst": "status.state",
}

# Written out, because type checkers do not evaluate expressions here.
__all__ = [
    "__version__",
    "Active",
    "Command",
    "DeadlineExceeded",
    "File",
    "FtpProbe",
    "Identity",
    "Listing",
    "LocalError",
    "Login",
    "Metric",
    "NotConnected",
    "NotResolved",
    "Part",
    "PeerError",
    "Probe",
    "ProbeError",
    "Range",
    "Result",
    "SshProbe",
    "State",
    "TftpFile",
    "TftpProbe",
    "Timings",
    "TlsError",
    "UsageError",
    "check",
    "check_async",
    "parse_line",
    "printable",
    "survey",
    "survey_async",
    "worst",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = __import__(f"{__name__}.{_PUBLIC[name]}", fromlist=(name,))
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
