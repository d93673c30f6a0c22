"""The destinations of a survey's results, each in its own file."""
