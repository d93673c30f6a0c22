"""The status line of a plugin and its parts: states, thresholds, performance data, text."""
