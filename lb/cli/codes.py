"""The exit codes of commands."""

from __future__ import annotations

# What check, diff and doctor find ends with FOUND; trouble with the kernel or the state folder with TROUBLE.
DONE, FOUND, TROUBLE, USAGE = range(4)
