"""The command lines of the plugins: from arguments to a probe, and from a result to an exit code."""
