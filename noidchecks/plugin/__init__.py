"""The command lines of the plugins: from words to a probe, and from a result to an exit code."""
