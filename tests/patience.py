"""Time enough for a busy machine."""

from __future__ import annotations

# Of a check that is to run into its deadline, and must have come to some point before: the next one is for a machine
# that was too slow for the one before.
DEADLINES = (0.5, 4.0, 20.0)
# Longer than anything takes that is waited for.
LONG = 60.0
