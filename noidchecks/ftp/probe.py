"""The probe of FTP servers."""

from __future__ import annotations

from .dialogue import converse
from .judge import judge
from .settings import FtpSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Dialogue
    from ..status.result import Result
    from ..timings import Timings
    from .findings import FtpFindings


class FtpProbe(FtpSettings):
    # For help(), which shows none of a base.
    __doc__ = FtpSettings.__doc__

    def dialogue(self) -> Dialogue[FtpFindings]:
        """Returns the dialogue of this probe."""
        if self.tls:
            # Imported before the clock starts, because the import is not part of the response time.
            from ..dialogue import tls
            from . import control  # noqa: F401  # loaded for its effect

            tls.load_context(verify=self.verify, ca_file=self.ca_file)
            if self.reads_certificate or self.tls_pins:
                tls.load_x509()
        if self.is_deep:
            from . import session as deep  # noqa: F401  # for the same reason
        return converse(self)

    def judge(self, findings: FtpFindings, timings: Timings) -> Result:
        """Judges the findings of the dialogue."""
        return judge(self, findings, timings)
