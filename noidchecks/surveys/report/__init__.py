"""The results of a survey on their way out: a file for each destination, and the courier that does not give up."""
