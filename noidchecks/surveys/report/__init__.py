"""Where the results of a survey go: a file for each destination."""
