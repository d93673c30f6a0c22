"""The exit codes of commands."""

from __future__ import annotations

# FOUND: check, diff or doctor have found something. TROUBLE: a failure of the kernel, the guardian or the state folder.
DONE, FOUND, TROUBLE, USAGE = range(4)
