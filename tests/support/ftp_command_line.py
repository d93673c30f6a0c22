"""Command lines of check_ftp."""

from __future__ import annotations

from noidchecks import FtpProbe
from noidchecks.plugin.plugin import parse


def probe(*words: str) -> FtpProbe:
    """Returns the probe that the words of a command line make."""
    built = parse(["check_ftp", *words]).probe
    assert isinstance(built, FtpProbe)
    return built
